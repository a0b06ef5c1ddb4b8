"""`/sources/NAME`: what arrives, live and over time; why events were stopped; what sends a first event."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from aiohttp import web

from router.agents.table import REASONS
from router.config.models import Topology, chosen
from router.config.options import RunOptions
from router.console.change import ComparedCounts, CountChange, compared
from router.console.charts import Chart, Series, bars
from router.console.live.rows import OUTCOMES
from router.console.over_time import NOT_ASKED, OverTime, ask, ask_before
from router.console.page import Page, not_found
from router.console.pages.overview import volumes_of
from router.console.period import ChosenPeriod, chosen_period
from router.console.sight import LatestCounts, Sight
from router.console.snippets import gateway_address, snippets
from router.console.states import Tone, source_state
from router.console.templates import Shown
from router.document import nearest
from router.gateway.answers import explained
from router.gateway.snippets import SNIPPET_TITLES
from router.insights.schema import EventsAnswer, Period, SourceVolume, VolumeAnswer

TYPES = ("identify", "track", "page", "screen", "group", "alias")
_SHOWN_OF_A_KEY = 4


async def answer(sight: Sight, request: web.Request) -> Shown:
    name, address = request.match_info["name"], sight.options.insights
    span = chosen_period(request.query, int(time.time() * 1000))
    counts, found, volume, before = await asyncio.gather(
        sight.counts(),
        ask(address, "/v1/events", EventsAnswer, source=name, **span.question),
        ask(address, "/v1/volume", VolumeAnswer, source=name, **span.question),
        ask_before(address, "/v1/volume", VolumeAnswer, source=name, **span.question_before),
    )
    return source(name, sight.loaded.topology, sight.options, counts, span, found, volume, before)


def source(
    name: str, topology: Topology, options: RunOptions, counts: LatestCounts, span: ChosenPeriod,
    found: OverTime = NOT_ASKED, volume: OverTime = NOT_ASKED, before: OverTime = NOT_ASKED,
) -> Shown:  # fmt: skip
    """The page of one source; write keys are masked but for their first characters."""
    if name not in topology.sources:
        return not_found("source", name, nearest(name, topology.sources), "/sources")
    one, seen = topology.sources[name], counts.look.seen if counts.look else None
    keys = [f"{key.get_secret_value()[:_SHOWN_OF_A_KEY]}…" for key in one.write_keys]
    stopped = [
        (count, reason, REASONS.get(reason, reason)) for reason, count in _counts(seen.stopped if seen else {}, name)
    ]
    refused = [(count, code, explained(code)) for code, count in _counts(seen.refused if seen else {}, name)]
    answered, over = volume.of(VolumeAnswer), volumes_of(volume).get(name)
    values = {
        "name": name, "source": one, "counts": counts, "state": source_state(name, topology, seen, over), "keys": keys,
        "plans": seen.plans.get(name, ()) if seen else (), "stopped": [*stopped, *refused], "types": TYPES,
        "violations": _counts(seen.violations if seen else {}, name), "outcomes": OUTCOMES,
        "snippets": snippets(topology, options) if keys else {}, "titles": SNIPPET_TITLES,
        "gateway": gateway_address(topology, options),
        "schema": found.of(EventsAnswer), "away": found.away, "span": span, "over": over,
        "chart": volume_chart(answered.period, over) if answered and over else None,
        "days": usual_days(over) if over else [], "takers": takers(topology, name),
        "figures": figures(compared(VolumeAnswer, volume, before, span.words_before), over) if over else [],
    }  # fmt: skip
    return Shown("source.html", name, values)


@dataclass(frozen=True, slots=True)
class SourceFigure:
    title: str
    count: int
    tone: Tone
    change: CountChange | None


def figures(pair: ComparedCounts[VolumeAnswer] | None, over: SourceVolume) -> list[SourceFigure]:
    """What came in the time, and how that differs from the time before."""

    def one(title: str, name: str, tone: Tone) -> SourceFigure:
        count = int(getattr(over, name))
        change = pair.change(lambda found: sum(getattr(row, name) for row in found.rows)) if pair else None
        return SourceFigure(title, count, tone if count else "quiet", change)

    return [
        one("Events", "events", "information"), one("Blocked", "blocked", "trouble"),
        one("Invalid", "invalid", "trouble"), one("Violations", "violations", "attention"),
    ]  # fmt: skip


def volume_chart(period: Period, over: SourceVolume) -> Chart:
    """What came in, step by step."""
    return bars(period, [Series("events", "information", over.trend)])


def takers(topology: Topology, name: str) -> list[str]:
    """The destinations that take events of this source."""
    return [one for one in topology.enabled_destinations if chosen(topology.destinations[one].sources, name)]


def usual_days(over: SourceVolume) -> list[tuple[str, int | None]]:
    """The last whole hour and the same hour of the seven days before, each with its name."""
    names = ["last hour", "yesterday", *(f"{days} days ago" for days in range(2, 8))]
    return list(zip(names, (over.last_hour, *over.same_hour), strict=True))


def _counts(found: object, name: str) -> list[tuple[str, int]]:
    own = found.get(name, {}) if isinstance(found, dict) else {}
    return list(own.items())


PAGE = Page("/sources/{name}", "Sources", answer)
