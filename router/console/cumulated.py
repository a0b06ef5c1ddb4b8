"""A month's events added up day by day, beside months before it, as lines of one SVG. Pure.

The lines differ by their dashes, not by colour alone. A line ends with the last day that there is, and a month that was
counted in part begins where counting began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import NamedTuple

from router.console.charts import HEIGHT, WIDTH
from router.console.text import number
from router.insights.schema import UsageMonth

DAYS = 31
DASHES = ("", "7 4", "2 3", "9 3 2 3", "1 5", "14 4")  # of the month itself and those before it, a pattern each
MARKED = (1, 6, 11, 16, 21, 26, 31)


class MonthLine(NamedTuple):
    """`sums` has a sum for each day that has been, from the first; `points` is the polyline of them."""

    name: str
    dash: str
    chosen: bool
    sums: Sequence[int]
    points: str

    @property
    def last(self) -> int:
        return self.sums[-1] if self.sums else 0


class MonthDay(NamedTuple):
    """A day of all months: where it is touched, and what it says."""

    x: float
    width: float
    says: str


@dataclass(frozen=True, slots=True)
class MonthChart:
    """`most` is what the upper edge stands for; `marks` are days and how far to the right they stand, in per cent."""

    lines: Sequence[MonthLine]
    days: Sequence[MonthDay]
    most: str
    sentence: str
    marks: Sequence[tuple[int, float]]


def month_chart(months: Sequence[UsageMonth], today: date) -> MonthChart:
    """The first month is the one asked for."""
    all_sums = [added_up(month, today) for month in months]
    most = max((sums[-1] for sums in all_sums if sums), default=0)
    width = WIDTH / DAYS
    lines = [
        MonthLine(month_name(month.month), dash, at == 0, sums, _points(sums, month, most, width))
        for at, (month, dash, sums) in enumerate(zip(months, DASHES, all_sums, strict=False))
        if month.counted_from is not None
    ]
    days = [MonthDay(round(at * width, 2), round(width, 2), _says(lines, at)) for at in range(DAYS)]
    sentence = "; ".join(f"{line.name}: {line.last:,} events by its day {len(line.sums)}" for line in lines)
    marks = [(day, round(100 * (day - 1) / DAYS, 2)) for day in MARKED]
    return MonthChart(lines, days, number(most), sentence or "nothing was counted", marks)


def added_up(month: UsageMonth, today: date) -> list[int]:
    """Of each day of a month that has begun, all events until its end."""
    begun = min(len(month.daily), max(0, (today - month.month).days + 1))
    return list(accumulate(month.daily[:begun]))


def month_name(month: date) -> str:
    """`November 2026`."""
    return f"{month:%B %Y}"


def _points(sums: Sequence[int], month: UsageMonth, most: int, width: float) -> str:
    start = (month.counted_from - month.month).days if month.counted_from else 0
    places = [(start, 0), *((at + 1, sums[at]) for at in range(start, len(sums)))]
    return " ".join(
        f"{round(at * width, 2)},{round(HEIGHT - 1 - (HEIGHT - 4) * (count / most if most else 0.0), 2)}"
        for at, count in places
    )


def _says(lines: Sequence[MonthLine], at: int) -> str:
    parts = [f"{line.name} {line.sums[at]:,}" for line in lines if at < len(line.sums)]
    return f"by day {at + 1}: {', '.join(parts)}" if parts else f"day {at + 1}"
