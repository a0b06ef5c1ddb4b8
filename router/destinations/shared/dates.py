"""The time of an event, and dates in values, in the units that partners want. All times are in UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from router.destinations.base import Delivery
from router.mapping.days import parsed as parsed
from router.mapping.days import yyyymmdd as yyyymmdd


def event_time(event: Delivery) -> datetime:
    """When it happened; where that is missing or unreadable, when it was received, which the router always sets.

    The same on every attempt, as partners that deduplicate by time need it.
    """
    for name in ("timestamp", "receivedAt", "originalTimestamp"):
        if (found := parsed(event.body.get(name))) is not None:
            return found
    return datetime.fromtimestamp(0, UTC)


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


def with_dates(value: Any, convert: Callable[[datetime], Any]) -> Any:
    """The value with every ISO-8601 text in it converted, at any depth. Text of digits alone stays."""
    if isinstance(value, dict):
        return {name: with_dates(one, convert) for name, one in value.items()}
    if isinstance(value, list):
        return [with_dates(one, convert) for one in value]
    at = parsed(value)
    return value if at is None else convert(at)
