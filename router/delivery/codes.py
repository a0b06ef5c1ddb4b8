"""Error codes in the words that users of Segment know, from closed sets."""

from __future__ import annotations

import re

_REASON = re.compile(r"[a-z0-9_]{1,40}\Z")
_CODE = re.compile(r"[A-Z0-9_]{1,32}\Z")
OTHER = "OTHER"


def label(code: str) -> str:
    """A code that is fit to be a metric's label, whatever a connector said."""
    return code if _CODE.match(code) else OTHER


def reason_label(reason: str) -> str:
    """Why a mapping does not send an event, fit to be a metric's label."""
    return reason if _REASON.match(reason) else "mapping"


def discarded(code: str) -> str:
    """Of an event that was given up."""
    return f"errors.discarded.{label(code)}"


def awaiting_retry(code: str) -> str:
    """Of an event that will be tried again."""
    return f"errors.awaiting-retry.{label(code)}"
