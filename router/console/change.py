"""How a count differs from that of the time before, in words. Pure.

The windows of both times may differ in length by what was rounded out, so counts a second are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from router.console.over_time import OverTime
from router.console.text import number
from router.insights.schema import InsightsAnswer, Period

SAME = 0.005  # a smaller change is none
MANIFOLD = 10.0
A = TypeVar("A", bound=InsightsAnswer)


class CountChange(NamedTuple):
    """`short` is for a box, `says` is the whole of it."""

    short: str
    says: str


@dataclass(frozen=True, slots=True)
class ComparedCounts(Generic[A]):
    """An answer and that of the time before, which is called `words`; None where there is none to compare with."""

    now: A
    before: A | None
    words: str

    def change(self, count: Callable[[A], int]) -> CountChange | None:
        """Of one count in both answers; None where nothing is known of the time before, or nothing was in either."""
        if self.before is None:
            return None
        then, began = count(self.before), self.now.period
        expected = then * _seconds(began, self.now.freshness.now) / _seconds(self.before.period)
        return change(count(self.now), expected, then, self.words)


def compared(kind: type[A], found: OverTime, before: OverTime, words: str) -> ComparedCounts[A] | None:
    """Answers of this kind. A time before counting began is not compared with."""
    now, then = found.of(kind), before.of(kind)
    if now is None:
        return None
    if then is not None and then.period.since < then.freshness.began:
        then = None
    return ComparedCounts(now, then, words)


def change(count: int, expected: float, then: int, words: str) -> CountChange | None:
    """`expected` is what `then` comes to in a time as long as that of `count`."""
    if not then:
        return CountChange("none before", f"none {words}") if count else None
    ratio = count / expected
    if abs(ratio - 1) < SAME:
        return CountChange("as before", f"as before: {number(then)} {words}")
    if ratio >= MANIFOLD:
        short = f"{ratio:.0f} times"
    else:
        percent = 100 * (ratio - 1)
        short = f"{'+' if percent > 0 else '−'}{max(1.0, abs(percent)):.0f} %"
    return CountChange(short, f"{short} against {number(then)} {words}")


def _seconds(period: Period, now: datetime | None = None) -> float:
    until = min(period.until, now) if now is not None else period.until
    return max(1.0, (until - period.since).total_seconds())
