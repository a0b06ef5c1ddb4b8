"""What a dashboard is made of, as values. How Grafana wants it written is in build.py.

In a query `J` in braces stands for the chosen job, `D` for the chosen destinations, `S` for the chosen sources.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["stat", "series", "bars", "table", "heatmap", "states"]
Steps = tuple[tuple[float, str], ...]
"""Colours from a value on, rising. What is below the first has none: there is no colour for "good"."""
_MATCHERS = {"J": 'job="$job"', "D": 'destination=~"$destination"', "S": 'source=~"$source"'}
_BRACES = re.compile(r"\{([JDS](?:,[^{}]+)?)\}")
AMBER, RED = "orange", "red"


def about(text: str) -> str:
    """What a dashboard is for, from the docstring of its file: what follows its name."""
    said = text.partition(": ")[2]
    return said[:1].upper() + said[1:]


@dataclass(frozen=True)
class Query:
    """One PromQL expression; `legend` names its series, or the column of a table. `unit` and `steps`: of a column."""

    expr: str
    legend: str = ""
    unit: str = ""
    steps: Steps = ()

    @property
    def promql(self) -> str:
        return _BRACES.sub(self._matchers, " ".join(self.expr.split()))

    @staticmethod
    def _matchers(braces: re.Match[str]) -> str:
        return "{" + ",".join(_MATCHERS.get(one, one) for one in braces[1].split(",")) + "}"


@dataclass(frozen=True)
class Panel:
    """`text` says what it shows, when to worry, where to look. `words`: what a state's number means, with its colour."""

    kind: Kind
    title: str
    text: str
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 12
    height: int = 8
    steps: Steps = ()
    highest: float | None = None
    stacked: bool = False
    empty: str = ""
    words: tuple[tuple[str, str, str], ...] = ()
    link: str = ""
    """Of a table: the address behind a row, of its first column."""


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    """`variables`: which of destination and source can be chosen."""

    name: str
    title: str
    text: str
    rows: tuple[Row, ...]
    variables: tuple[Literal["destination", "source"], ...] = ()

    @property
    def uid(self) -> str:
        return f"event-router-{self.name}"

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for row in self.rows for panel in row.panels)


def stat(
    title: str, text: str, expr: str, unit: str = "short", *, steps: Steps = (), empty: str = "", legend: str = ""
) -> Panel:
    """One figure, a sixth of the width."""
    return Panel("stat", title, text, (Query(expr, legend),), unit, 4, 4, steps, empty=empty)


def series(
    title: str, text: str, *queries: tuple[str, str], unit: str = "short", width: int = 12, steps: Steps = (),
    highest: float | None = None, stacked: bool = False, empty: str = "",
) -> Panel:  # fmt: skip
    """Lines over time; each query is an expression and the name of its lines."""
    lines = tuple(Query(*query) for query in queries)
    return Panel("series", title, text, lines, unit, width, 8, steps, highest, stacked, empty)


def wide(panel: Panel, width: int) -> Panel:
    return replace(panel, width=width)
