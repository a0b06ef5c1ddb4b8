"""Days and months, in UTC, as usage is asked for. The console needs them where the extra `faust` is missing."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from router.errors import UsageError
from router.insights.schema import Period
from router.insights.windows import DAY_MS, DAYS

MONTHS_BACK = 12
MOST_BEFORE = 5


def day_of(ms: int) -> date:
    """In UTC, of milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC).date()


def ms_of(day: date) -> int:
    """When it begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def days_of(since: date, until: date) -> Period:
    """Whole days as the time that an answer covers."""
    start, end = (datetime.fromtimestamp(ms_of(day) / 1000, UTC) for day in (since, until))
    return Period(since=start, until=end, step=DAY_MS // 1000, window="day")


def month_later(month: date, number: int) -> date:
    """The first day of the month so many later; of an earlier one with a negative number."""
    year, at = divmod(month.year * 12 + month.month - 1 + number, 12)
    return date(year, at + 1, 1)


def month_asked(text: str | None, today: date) -> date:
    """The first day of a month within 13; without one this month's. Raises UsageError."""
    latest = today.replace(day=1)
    if text is None:
        return latest
    earliest = month_later(latest, -MONTHS_BACK)
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", text, re.ASCII)
    month = date(max(1, int(found[1])), int(found[2]), 1) if found else date.min
    if not earliest <= month <= latest:
        raise UsageError(f"month: expected one from {earliest:%Y-%m} to {latest:%Y-%m}, got {text[:40]!r}")
    return month


def months_before(text: str) -> int:
    """How many months before it are asked for. Raises UsageError."""
    if text not in map(str, range(MOST_BEFORE + 1)):
        raise UsageError(f"before: expected a number of months from 0 to {MOST_BEFORE}, got {text[:40]!r}")
    return int(text)


def day_asked(text: str | None, today: date, first: date) -> date:
    """A day within 13 months; without one yesterday, or today where counts began later. Raises UsageError."""
    if text is None:
        yesterday = today - timedelta(days=1)
        return yesterday if first <= yesterday else today
    earliest = today - timedelta(days=DAYS.windows - 1)
    try:
        day = date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else date.min
    except ValueError:
        day = date.min
    if not earliest <= day <= today:
        raise UsageError(f"day: expected one from {earliest} to {today}, got {text[:40]!r}")
    return day
