"""A dashboard's panels as one SVG, drawn from answers: what Grafana would show, without Grafana. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from xml.sax.saxutils import escape

from ops.grafana.answers import Line
from ops.grafana.model import Board, Panel

COLUMN, ROW, HEAD, GAP = 40, 26, 22, 4  # of the grid, in pixels
COLUMNS, MOST_LINES, MOST_ROWS = 24, 7, 6
_PALETTE = ("#1f60c4", "#37872d", "#e0752d", "#8f3bb8", "#c4162a", "#0a7f8c", "#806000", "#7a7a7a")
_COLOURS = {"orange": "#e07b00", "red": "#c4162a", "green": "#37872d", "blue": "#1f60c4", "transparent": "#eef0f2"}
_TEXT, _QUIET, _EDGE = "#1b1f24", "#69717a", "#d5dade"
_STYLE = "font-family:-apple-system,Segoe UI,Helvetica,Arial,sans-serif"
Answers = Sequence[Sequence[Line]]
Answer = Callable[[Panel], Answers]


def picture(board: Board, answer: Answer, said: str) -> str:
    """The board as SVG; `answer` gives a panel's series, a list for each of its queries; `said` stands at the foot."""
    parts: list[str] = []
    top = GAP
    for row in board.rows:
        parts.append(_text(GAP, top + 15, row.title, 13, _TEXT, "600"))
        top, left, height = top + HEAD, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top, height = 0, top + height * ROW, 0
            parts.append(_panel(panel, answer(panel), left * COLUMN, top))
            left, height = left + panel.width, max(height, panel.height)
        top += height * ROW + GAP
    parts.append(_text(GAP, top + 14, said, 10, _QUIET))
    wide, high = COLUMNS * COLUMN, top + 22
    frame = f'viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" style="{_STYLE}"'
    title = f"<title>{escape(board.title)}</title>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {frame} role="img">{title}'
        f'<rect width="100%" height="100%" fill="#f4f5f6"/>{"".join(parts)}</svg>\n'
    )


def _panel(panel: Panel, answers: Answers, x: int, y: int) -> str:
    wide, high = panel.width * COLUMN - GAP, panel.height * ROW - GAP
    box = f'<rect width="{wide}" height="{high}" rx="3" fill="#fff" stroke="{_EDGE}"/>'
    parts = [box, _text(8, 15, _cut(panel.title, wide // 8), 11, _TEXT, "600")]
    if any(answers):
        parts.append(_KINDS[panel.kind](panel, answers, wide, high))
    else:
        colour = _QUIET if panel.empty else _COLOURS["red"]
        parts.append(_text(wide // 2, high // 2 + 8, panel.empty or "no data", 12, colour, anchor="middle"))
    return f'<g transform="translate({x + GAP // 2},{y})">{"".join(parts)}</g>'


# One function a kind; `wide` and `high` are of the panel.


def _stat(panel: Panel, answers: Answers, wide: int, high: int) -> str:
    found = [line for lines in answers for line in lines]
    values = [line.points[-1][1] for line in found]
    shown = " · ".join(number(value, panel.unit) for value in values[:3])
    size = 22 if len(shown) < 12 else 14
    return _text(wide // 2, high // 2 + 18, shown, size, _stepped(panel.steps, values[0]), "600", "middle")


def _series(panel: Panel, answers: Answers, wide: int, high: int) -> str:
    named = _named(panel, answers)
    most = max((value for _, line in named for _, value in line.points), default=0.0)
    named.sort(key=lambda one: -max(value for _, value in one[1].points))
    shown, left = named[:MOST_LINES], len(named) - MOST_LINES
    most = (most or 1.0) if panel.highest is None else panel.highest
    foot = high - 12 * ((len(shown) + 1) // 2) - 8
    frame = _Frame.of([line for _, line in named], 46, 26, wide - 10, foot - 14, most)
    parts = [_axes(frame, panel.unit)]
    for place, (name, line) in enumerate(shown):
        colour = _PALETTE[place]
        points = " ".join(f"{frame.x(at)},{frame.y(value)}" for at, value in line.points)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        at_x, at_y = 8 + (place % 2) * (wide // 2), foot + 10 + 12 * (place // 2)
        legend = _cut(f"{name}  {number(line.points[-1][1], panel.unit)}", wide // 12 - 2)
        parts.append(f'<rect x="{at_x}" y="{at_y - 4}" width="8" height="3" fill="{colour}"/>')
        parts.append(_text(at_x + 12, at_y, legend, 9, _QUIET))
    if left > 0:
        parts.append(_text(wide - 8, 15, f"and {left} more", 9, _QUIET, anchor="end"))
    return "".join(parts)


def _bars(panel: Panel, answers: Answers, wide: int, high: int) -> str:
    named = [(name, line.points[-1][1]) for name, line in _named(panel, answers)]
    most = max((value for _, value in named), default=0.0) or 1.0
    step = min(22.0, (high - 30) / max(1, len(named)))
    parts = []
    for place, (name, value) in enumerate(named):
        y = 26 + place * step
        long = max(1, round((wide - 216) * max(value, 0) / most))
        parts.append(_text(8, y + step / 2 + 3, _cut(name, 22), 10, _TEXT))
        parts.append(
            f'<rect x="136" y="{y + 2:.0f}" width="{long}" height="{step - 4:.0f}" fill="{_PALETTE[0]}" rx="2"/>'
        )
        parts.append(_text(142 + long, y + step / 2 + 3, number(value, panel.unit), 10, _QUIET))
    return "".join(parts)


def _table(panel: Panel, answers: Answers, wide: int, high: int) -> str:
    columns = [query for query, lines in zip(panel.queries, answers, strict=True) if query.legend or lines]
    cells: dict[str, dict[int, float]] = {}
    for place, lines in enumerate(answers):
        for line in lines:
            key = " ".join(value for name, value in sorted(line.labels.items()) if name not in _HIDDEN)
            cells.setdefault(key or "all", {})[place] = line.points[-1][1]
    first = max(150, wide - 90 * len(columns))
    step = (wide - first - 8) / max(1, len(columns))
    parts = []
    for place, query in enumerate(columns):
        parts.append(_text(first + (place + 1) * step, 32, _cut(query.legend, int(step // 6)), 9, _QUIET, anchor="end"))
    for row, (key, values) in enumerate(sorted(cells.items())[:MOST_ROWS]):
        y = 48 + 17 * row
        parts.append(_text(8, y, _cut(key, first // 6), 10, _TEXT))
        for place, query in enumerate(columns):
            value = values.get(panel.queries.index(query))
            text = "" if value is None else number(value, query.unit or "short")
            colour = _TEXT if value is None else _stepped(query.steps, value)
            parts.append(_text(first + (place + 1) * step, y, text, 10, colour, anchor="end"))
    return "".join(parts)


def _heatmap(panel: Panel, answers: Answers, wide: int, high: int) -> str:
    lines = sorted((line for lines in answers for line in lines), key=lambda line: float(line.labels.get("le", "inf")))
    below: dict[float, float] = {}
    rows: list[tuple[str, dict[float, float]]] = []
    for line in lines:  # buckets hold what is below them too
        rows.append((line.labels.get("le", ""), {at: max(0.0, value - below.get(at, 0)) for at, value in line.points}))
        below = dict(line.points)
    frame = _Frame.of(lines, 46, 26, wide - 10, high - 12, 1.0)
    most = max((value for _, cells in rows for value in cells.values()), default=0.0) or 1.0
    tall = frame.high / max(1, len(rows))
    across = frame.wide / max(1, max(len(cells) for _, cells in rows))
    parts = []
    for place, (name, cells) in enumerate(rows):
        y = frame.bottom - (place + 1) * tall
        parts.append(_text(42, y + tall / 2 + 3, name, 8, _QUIET, anchor="end"))
        for at, value in cells.items():
            if value > 0:
                dark = f"{0.15 + 0.85 * value / most:.2f}"
                box = f'x="{frame.x(at)}" y="{y:.0f}" width="{across + 1:.0f}" height="{tall:.0f}"'
                parts.append(f'<rect {box} fill="{_PALETTE[0]}" opacity="{dark}"/>')
    return "".join(parts)


def _states(panel: Panel, answers: Answers, wide: int, high: int) -> str:
    words = {word: (text, _COLOURS.get(colour, colour)) for word, text, colour in panel.words}
    named = _named(panel, answers)
    shown = named[: (high - 44) // 14]
    frame = _Frame.of([line for _, line in named], 130, 26, wide - 10, high - 20, 1.0)
    step = min(18.0, frame.high / max(1, len(shown)))
    across = frame.wide / max(1, max(len(line.points) for _, line in named))
    parts = []
    for row, (name, line) in enumerate(shown):
        y = 28 + row * step
        parts.append(_text(124, y + step / 2 + 2, _cut(name, 22), 9, _QUIET, anchor="end"))
        for start, end, value in _runs(line.points):
            colour = words.get(f"{value:g}", ("", _PALETTE[0]))[1]
            box = f'x="{frame.x(start)}" width="{frame.x(end) - frame.x(start) + across:.0f}"'
            parts.append(f'<rect {box} y="{y:.0f}" height="{step - 3:.0f}" fill="{colour}"/>')
    key = " · ".join(text for text, _ in words.values())
    parts.append(_text(wide - 8, 15, key, 9, _QUIET, anchor="end"))
    return "".join(parts)


_KINDS: dict[str, Callable[[Panel, Answers, int, int], str]] = {
    "stat": _stat, "series": _series, "bars": _bars, "table": _table, "heatmap": _heatmap, "states": _states,
}  # fmt: skip
_HIDDEN = ("__name__", "job", "instance")


class _Frame:
    """Where values stand: time from left to right, 0 at the bottom."""

    def __init__(self, left: int, top: int, right: int, bottom: int, start: float, end: float, most: float) -> None:
        self.left, self.top, self.bottom = left, top, bottom
        self.wide, self.high = right - left, bottom - top
        self.start, self.end, self.most = start, end, most

    @classmethod
    def of(cls, lines: Iterable[Line], left: int, top: int, right: int, bottom: int, most: float) -> _Frame:
        times = [at for line in lines for at, _ in line.points]
        return cls(left, top, right, bottom, min(times), max(times), most)

    def x(self, at: float) -> int:
        return round(self.left + self.wide * (at - self.start) / max(self.end - self.start, 1e-9))

    def y(self, value: float) -> int:
        return round(self.bottom - self.high * min(1.0, max(value, 0.0) / self.most))


def _axes(frame: _Frame, unit: str) -> str:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = frame.y(share * frame.most)
        parts.append(
            f'<line x1="{frame.left}" x2="{frame.left + frame.wide}" y1="{y}" y2="{y}" stroke="{_EDGE}" stroke-width=".7"/>'
        )
        parts.append(_text(frame.left - 4, y + 3, number(share * frame.most, unit), 8, _QUIET, anchor="end"))
    return "".join(parts)


def _named(panel: Panel, answers: Answers) -> list[tuple[str, Line]]:
    """Each series with its name: the query's legend, labels filled in."""
    found = []
    for query, lines in zip(panel.queries, answers, strict=True):
        for line in lines:
            name = re.sub(r"{{(\w+)}}", lambda label: line.labels.get(label[1], ""), query.legend)  # noqa: B023
            found.append((name.strip() or "value", line))
    return found


def _runs(points: Sequence[tuple[float, float]]) -> list[tuple[float, float, float]]:
    """Stretches of one value: first time, last time, value."""
    runs: list[tuple[float, float, float]] = []
    for at, value in points:
        if runs and runs[-1][2] == value:
            runs[-1] = runs[-1][0], at, value
        else:
            runs.append((at, at, value))
    return runs


def _stepped(steps: Sequence[tuple[float, str]], value: float) -> str:
    reached = [colour for start, colour in steps if value >= start]
    return _COLOURS.get(reached[-1], _TEXT) if reached else _TEXT


def number(value: float, unit: str) -> str:
    """A value as people read it, with its unit."""
    if unit == "percentunit":
        return f"{value * 100:.4g} %"
    if unit == "s":
        for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
            if value >= size:
                return f"{value / size:.3g} {name}"
        return f"{value * 1000:.3g} ms" if 0 < value < 1 else f"{value:.3g} s"
    name = {"bytes": "B"}.get(unit, unit.partition(":")[2] if unit.startswith("suffix:") else "")
    for least, divisor, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / divisor:.3g} {letter}{name}"
    return f"{value:.4g}{name if name.startswith('/') else f' {name}' if name else ''}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(1, most - 1)]}…"


def _text(x: float, y: float, text: str, size: int, fill: str, weight: str = "", anchor: str = "") -> str:
    more = (f' font-weight="{weight}"' if weight else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{fill}"{more}>{escape(text)}</text>'
