"""Charts as numbers for an SVG that the template writes: bars on top of each other, a line, marks of the axis. Pure.

Coordinates are those of a view box of WIDTH × HEIGHT, the origin at the upper left. Every chart has a sentence for
people who do not see it, and its numbers as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from router.console.states import Tone
from router.console.text import duration, number
from router.insights.schema import Period

WIDTH, HEIGHT = 600, 100
MOST_MARKS = 6
LAST_MARK = 88.0  # a text that begins further right would be cut off
USUALLY = "usually at this hour"
_GAP = 0.16  # of a step, between two bars


class Series(NamedTuple):
    """Numbers of one kind, one a step."""

    name: str
    tone: Tone
    counts: Sequence[int]


class UsualBand(NamedTuple):
    """Between what numbers a step usually is; None where nobody knows yet."""

    low: Sequence[float | None]
    high: Sequence[float | None]

    @property
    def known(self) -> bool:
        return any(one is not None for one in self.high)

    @property
    def most(self) -> float:
        return max((one for one in self.high if one is not None), default=0.0)

    def words(self, at: int) -> str:
        """Of one step."""
        low, high = self.low[at], self.high[at]
        return "–" if low is None or high is None else f"{low:,.0f} to {high:,.0f}"


NO_BAND = UsualBand((), ())


class ChartBlock(NamedTuple):
    """A rectangle of a bar."""

    tone: Tone
    x: float
    y: float
    width: float
    height: float


class ChartStep(NamedTuple):
    """What happened in one step: where it is, what is drawn there, and what it says."""

    x: float
    width: float
    start: datetime
    blocks: Sequence[ChartBlock]
    says: str


class AxisMark(NamedTuple):
    """A time under the chart; `left` is a percentage."""

    start: datetime
    left: float


@dataclass(frozen=True, slots=True)
class Chart:
    """`most` is what the upper edge stands for; `lines` are polylines, one for each stretch without a gap, and `bands`
    polygons: between what is usual.
    """

    steps: Sequence[ChartStep]
    lines: Sequence[str]
    dots: Sequence[tuple[float, float]]
    most: str
    sentence: str
    headings: Sequence[str]
    rows: Sequence[tuple[datetime, Sequence[str]]]
    legend: Sequence[tuple[str, Tone]]
    marks: Sequence[AxisMark]
    daily: bool
    bands: Sequence[str] = ()

    @property
    def empty(self) -> bool:
        return not self.lines and not self.dots and not any(step.blocks for step in self.steps)


def bars(period: Period, series: Sequence[Series], band: UsualBand = NO_BAND) -> Chart:
    """Series of the same length, the first at the bottom; over them, what is usual."""
    starts = _starts(period, len(series[0].counts))
    sums = [sum(counts) for counts in zip(*(one.counts for one in series), strict=True)]
    peak, width = max(sums, default=0), WIDTH / max(1, len(starts))
    most = max(peak, band.most)
    steps = [
        ChartStep(
            round(at * width, 2), round(width, 2), start, _blocks(series, at, most, width),
            ", ".join(f"{one.counts[at]:,} {one.name}" for one in series)
            + (f"; {USUALLY} {band.words(at)}" if band.known else ""),
        )
        for at, start in enumerate(starts)
    ]  # fmt: skip
    totals = ", ".join(f"{sum(one.counts):,} {one.name}" for one in series)
    when = f"; most in the step of {_clock(period, starts[sums.index(peak)])}: {peak:,}" if peak else ""
    sentence = f"{totals} in {len(starts)} steps of {duration(period.step)}{when}"
    more = [[band.words(at)] if band.known else [] for at in range(len(starts))]
    rows = [(start, [f"{one.counts[at]:,}" for one in series] + more[at]) for at, start in enumerate(starts)]
    usual: list[tuple[str, Tone]] = [(USUALLY, "quiet")] if band.known else []
    return Chart(
        steps, (), (), number(most), sentence, [one.name for one in series] + [name for name, _ in usual], rows,
        [(one.name, one.tone) for one in series] + usual, _marks(starts), period.step >= 86_400 or _long(period),
        _bands(band, most, width),
    )  # fmt: skip


def line(period: Period, name: str, seconds: Sequence[float | None]) -> Chart:
    """A duration over time; None is a gap."""
    starts = _starts(period, len(seconds))
    known = [one for one in seconds if one is not None]
    most, width = max(known, default=0.0), WIDTH / max(1, len(starts))
    stretches: list[list[tuple[float, float]]] = [[]]
    for at, value in enumerate(seconds):
        if value is None:
            stretches.append([])
        else:
            height = value / most if most else 0.0
            stretches[-1].append((round((at + 0.5) * width, 2), round(HEIGHT - 1 - (HEIGHT - 4) * height, 2)))
    steps = [
        ChartStep(round(at * width, 2), round(width, 2), start, (), f"{name} {duration(value)}")
        for at, (start, value) in enumerate(zip(starts, seconds, strict=True))
        if value is not None
    ]
    sentence = f"{name} from {duration(min(known))} to {duration(most)}" if known else f"{name}: nothing was delivered"
    return Chart(
        steps, [" ".join(f"{x},{y}" for x, y in one) for one in stretches if len(one) > 1],
        [one[0] for one in stretches if len(one) == 1], duration(most) if known else "–", sentence, [name],
        [(start, [duration(value)]) for start, value in zip(starts, seconds, strict=True)],
        [(name, "information")], _marks(starts), period.step >= 86_400 or _long(period),
    )  # fmt: skip


def _bands(band: UsualBand, most: float, width: float) -> list[str]:
    """A polygon for each stretch of steps of which it is known: along its upper edge, and back along the lower one."""
    stretches: list[list[tuple[float, float, float]]] = [[]]
    for at, (low, high) in enumerate(zip(band.low, band.high, strict=True)):
        if low is None or high is None:
            stretches.append([])
        else:
            stretches[-1] += [(at * width, low, high), ((at + 1) * width, low, high)]

    def point(x: float, count: float) -> str:
        return f"{round(x, 2)},{round(HEIGHT - (HEIGHT - 2) * count / most, 2) if most else HEIGHT}"

    return [
        " ".join([*(point(x, high) for x, _, high in one), *(point(x, low) for x, low, _ in reversed(one))])
        for one in stretches
        if one
    ]


def _blocks(series: Sequence[Series], at: int, most: float, width: float) -> list[ChartBlock]:
    found, top = [], float(HEIGHT)
    for one in series:
        if one.counts[at] > 0:
            height = max(1.5, (HEIGHT - 2) * one.counts[at] / most)  # one of a million is seen too
            top -= height
            x, wide = round((at + _GAP / 2) * width, 2), round(width * (1 - _GAP), 2)
            found.append(ChartBlock(one.tone, x, round(max(0.0, top), 2), wide, round(height, 2)))
    return found


def _starts(period: Period, steps: int) -> list[datetime]:
    return [period.since + timedelta(seconds=period.step * at) for at in range(steps)]


def _marks(starts: Sequence[datetime]) -> list[AxisMark]:
    every = max(1, -(-len(starts) // MOST_MARKS))
    places = [(start, round(100 * at / len(starts), 2)) for at, start in enumerate(starts) if at % every == 0]
    return [AxisMark(start, left) for start, left in places if left <= LAST_MARK]


def _long(period: Period) -> bool:
    return period.until - period.since > timedelta(days=2)


def _clock(period: Period, at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M" if _long(period) else "%H:%M") + " UTC"
