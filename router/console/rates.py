"""The rate that a request gives for what it begins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from router.errors import UsageError

_WHOLE = re.compile(r"[0-9]{1,9}\Z")


def given_rate(values: Mapping[str, Any], fastest: int) -> int | None:
    """Events a second; None where none is given, which 0 is not. Raises UsageError."""
    given = values.get("rate")
    text = "" if given is None else str(given).strip()
    if not text:
        return None
    if not _WHOLE.match(text) or not 1 <= int(text) <= fastest:
        raise UsageError(f"rate: expected from 1 to {fastest:,} events a second, got {text[:20]!r}")
    return int(text)
