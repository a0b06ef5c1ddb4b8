"""Dates and times as people write them in traits and properties. All times are in UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?\s?(Z|z|[+-]\d{2}:?\d{2})?)?\Z")


def parsed(value: object) -> datetime | None:
    """An ISO-8601 date or time, without a zone in UTC; None for anything else."""
    if not isinstance(value, str) or not _ISO.match(value):
        return None
    try:
        at = datetime.fromisoformat(value.upper().replace(" Z", "Z"))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def yyyymmdd(value: object) -> str:
    """`20260131` from a date in one of the common spellings; empty for anything else."""
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    if not isinstance(value, str):
        return ""
    at = parsed(value.strip())
    for spelling in ("%Y%m%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y"):
        if at is not None:
            break
        try:
            at = datetime.strptime(value.strip(), spelling).replace(tzinfo=UTC)
        except ValueError:
            continue
    return at.strftime("%Y%m%d") if at is not None and at.year >= 1900 else ""
