"""The dashboards' queries asked of a Prometheus, with Grafana's variables filled in."""

from __future__ import annotations

import json
import math
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from ops.grafana.model import Panel, Query

SECONDS = 15.0
INSTANT = ("bars", "table")


@dataclass(frozen=True)
class Line:
    """One series of an answer. `points`: time in seconds since 1970, and value; of an instant query there is one."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Asked:
    """A Prometheus, the job there, and the time that is looked at, in seconds since 1970."""

    url: str
    job: str
    start: float
    end: float
    steps: int = 36

    def answer(self, panel: Panel, query: Query) -> list[Line]:
        """Series without points that are no number. Raises OSError, ValueError where Prometheus has none."""
        expression = filled(query.promql, self.job, self.end - self.start)
        if panel.kind in INSTANT:
            found = self._get("query", query=expression, time=self.end)
            return [_line(one["metric"], [one["value"]]) for one in found]
        step = max(1, round((self.end - self.start) / self.steps))
        found = self._get("query_range", query=expression, start=self.start, end=self.end, step=step)
        return [line for one in found if (line := _line(one["metric"], one["values"])).points]

    def _get(self, what: str, **parameters: object) -> list[dict[str, object]]:
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return list(json.load(answer)["data"]["result"])


def filled(promql: str, job: str, seconds: float) -> str:
    """An expression without variables: of this job, all destinations and sources, and a range of so many seconds."""
    values = {
        "$__rate_interval": "1m", "$__range": f"{max(1, round(seconds))}s", "$job": job, "$destination": ".*",
        "$source": ".*",
    }  # fmt: skip
    for name, value in values.items():
        promql = promql.replace(name, value)
    return promql


def _line(labels: object, values: object) -> Line:
    assert isinstance(labels, dict)
    assert isinstance(values, list)
    points = ((float(at), float(value)) for at, value in values)
    return Line(labels, tuple((at, value) for at, value in points if math.isfinite(value)))
