"""The time of an event, and dates in values, in the units that partners want. All times are in UTC."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from router.destinations.base import Delivery

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?\s?(Z|z|[+-]\d{2}:?\d{2})?)?\Z")


def event_time(event: Delivery) -> datetime:
    """When it happened; where that is missing or unreadable, when it was received, which the router always sets.

    The same on every attempt, as partners that deduplicate by time need it.
    """
    for name in ("timestamp", "receivedAt", "originalTimestamp"):
        if (found := parsed(event.body.get(name))) is not None:
            return found
    return datetime.fromtimestamp(0, UTC)


def parsed(value: object) -> datetime | None:
    """An ISO-8601 date or time, without a zone in UTC; None for anything else."""
    if not isinstance(value, str) or not _ISO.match(value):
        return None
    try:
        at = datetime.fromisoformat(value.upper().replace(" Z", "Z"))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def iso(at: datetime) -> str:
    """`2026-01-31T12:00:00.000Z`."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_seconds(at: datetime) -> int:
    return int(at.timestamp() // 1)


def unix_ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


def unix_us(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def midnight_ms(at: datetime) -> int:
    """The beginning of its day, in milliseconds."""
    return unix_ms(at.replace(hour=0, minute=0, second=0, microsecond=0))


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


def with_dates(value: Any, convert: Callable[[datetime], Any]) -> Any:
    """The value with every ISO-8601 text in it converted, at any depth. Text of digits alone stays."""
    if isinstance(value, dict):
        return {name: with_dates(one, convert) for name, one in value.items()}
    if isinstance(value, list):
        return [with_dates(one, convert) for one in value]
    at = parsed(value)
    return value if at is None else convert(at)
