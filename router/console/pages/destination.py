"""`/destinations/NAME`: what its partner took and refused, with samples; its settings; its dead letters.

Tabs are `?tab=`: delivery (the default), filtered, settings, letters, try.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

import yaml
from aiohttp import web
from pydantic import BaseModel, SecretStr

from router.agents.table import REASONS
from router.config.loader import Loaded
from router.config.topics import topics_of
from router.console.change import ComparedCounts, CountChange, compared
from router.console.charts import Chart, Series, bars, line
from router.console.delivery_errors import DeliverySummary, LetterList, read_letters, read_summary, summary_of
from router.console.filtered import FilteredEvents, read_filtered
from router.console.in_force import RuleInForce, mapping_text, rules_in_force
from router.console.jobs import Job
from router.console.one_event import EventPlace, place_of, taken
from router.console.over_time import NOT_ASKED, OverTime, ask, ask_before
from router.console.page import Page, not_found
from router.console.pages.overview import destination_lines, records_of
from router.console.period import ChosenPeriod, chosen_period
from router.console.redriving import FASTEST, RATE
from router.console.redriving import KIND as REDRIVE
from router.console.sight import LatestCounts, Sight
from router.console.templates import Shown
from router.console.text import visible
from router.console.trying import examples
from router.destinations.registry import destination_types
from router.document import nearest
from router.errors import RouterError
from router.insights.schema import DestinationRecord, DestinationsAnswer, Period
from router.mask import Mask
from router.plan_tools.samples import source_for
from router.replay.dead_letters import DeadLetter

TABS = {
    "delivery": "Delivery", "filtered": "Filtered", "settings": "Settings", "letters": "Dead letters",
    "try": "Try an event",
}  # fmt: skip
SHOWN_LETTERS = 200
ANY_EVENT = '{"type": "track", "userId": "u1", "event": "First Event"}'
_RESENT = {
    "none": "It cannot tell repeats: an event that it took in spite of its error arrives twice.",
    "upsert": "An event sent again is written over the first: nothing changes.",
}
_RECOGNISES = "It knows our key of each event and drops what it already has."


async def answer(sight: Sight, request: web.Request) -> Shown:
    name, topology = request.match_info["name"], sight.loaded.topology
    if name not in topology.destinations:
        return not_found("destination", name, nearest(name, topology.destinations), "/destinations")
    tab = request.query.get("tab", "delivery")
    tab = tab if tab in TABS else "delivery"
    span = chosen_period(request.query, int(time.time() * 1000), {"tab": tab} if tab != "delivery" else {})
    about = DestinationPage(sight.loaded, await sight.counts(), name, tab, span, sight.mask)
    if tab == "settings":
        return about.shown(settings=settings_text(sight.loaded, name, sight.mask))
    if tab == "filtered":
        return about.shown(kept=await newest_filtered(sight, name))
    if tab == "letters":
        job = next(iter(sight.jobs.of(REDRIVE, name)), None)
        return about.shown(letters=await sight.read(lambda: read_letters(sight, name)), job=job)
    if tab == "try":
        asked, at = (request.query.get(key, "") for key in ("source", "at"))
        return about.shown(events=await sight.read(lambda: first_events(sight, name, asked, at)))
    address, path = sight.options.insights, "/v1/destinations"
    found, before = await asyncio.gather(
        ask(address, path, DestinationsAnswer, destination=name, **span.question),
        ask_before(address, path, DestinationsAnswer, destination=name, **span.question_before),
    )
    if found.answer is not None:
        return about.shown(found=found, before=before)
    return about.shown(found=found, summary=await sight.read(lambda: read_summary(sight, name)))


@dataclass(frozen=True, slots=True)
class DestinationPage:
    """What all tabs of a destination have."""

    loaded: Loaded
    counts: LatestCounts
    name: str
    tab: str
    span: ChosenPeriod
    mask: Mask = field(default_factory=Mask)

    def shown(
        self, *, found: OverTime = NOT_ASKED, before: OverTime = NOT_ASKED, summary: DeliverySummary | None = None,
        letters: LetterList | None = None, settings: str = "", job: Job | None = None,
        events: FirstEvents | None = None, kept: NewestFiltered | None = None,
    ) -> Shown:  # fmt: skip
        """The page. Pure."""
        records, topology = records_of(found), self.loaded.topology
        lines = destination_lines(topology, self.counts.look, records)
        config = topology.destinations[self.name]
        own = next(one for one in lines if one.name == self.name)
        kind, answered = destination_types().get(own.type), found.of(DestinationsAnswer)
        values = {
            "name": self.name, "line": own, "row": own.row, "tab": self.tab, "tabs": TABS, "counts": self.counts,
            "summary": summary_of(own.over) if own.over else summary, "letters": letters,
            "shown": letters.rows[:SHOWN_LETTERS] if letters else [], "settings": settings,
            "files": [str(path) for path in self.loaded.files], "mask": self.mask, "span": self.span,
            "try_link": self._try_link, "away": found.away,
            "resent": _RESENT.get(kind.idempotency, _RECOGNISES) if kind else "",
            "paused": "operator" in own.row.paused, "config": config,
            "over": own.over, "charts": delivery_charts(answered.period, own.over) if answered and own.over else (),
            "job": job, "rate": RATE, "fastest": FASTEST, "first": events, "kept": kept,
            "rules": self._rules(own.row.filtered, kept),
            "mapping": visible(self.mask.text(mapping_text(config))),
            "fresh": answered.freshness if answered else None,
            "changes": self._changes(compared(DestinationsAnswer, found, before, self.span.words_before)),
        }  # fmt: skip
        return Shown("destination.html", self.name, values)

    def _rules(self, held: Mapping[str, int], kept: NewestFiltered | None) -> list[RuleInForce]:
        """Those of the topology, and what else keeps events back."""
        rows = rules_in_force(self.name, self.loaded.topology.destinations[self.name], held)
        known = {row.place for row in rows}
        others = [place for place in kept.found.rules if place not in known] if kept else []
        return rows + [RuleInForce(place, REASONS.get(place, "")) for place in others]

    def _try_link(self, letter: DeadLetter) -> str:
        """To the form that begins with this letter."""
        topic = topics_of(self.loaded.topology).dead(self.name)
        named = {"source": letter.source} if letter.source in self.loaded.topology.sources else {}
        at = str(EventPlace(topic, letter.partition, letter.offset))
        return f"?{urlencode({'tab': 'try', **named, 'at': at})}"

    def _changes(self, pair: ComparedCounts[DestinationsAnswer] | None) -> Mapping[str, CountChange | None]:
        """Of each figure, against the time before."""

        def of(figure: str) -> CountChange | None:
            return pair.change(lambda one: sum(getattr(row, figure) for row in one.rows)) if pair else None

        return {figure: of(figure) for figure in ("delivered", "not_delivered", "filtered")}


class NewestFiltered(NamedTuple):
    """`error` says why they cannot be looked at."""

    found: FilteredEvents
    error: str = ""


async def newest_filtered(sight: Sight, destination: str) -> NewestFiltered:
    try:
        async with sight.searches:
            return NewestFiltered(await sight.read(lambda: read_filtered(sight, destination)))
    except RouterError as error:
        return NewestFiltered(FilteredEvents(), str(error))


class FirstEvents(NamedTuple):
    """Events to try, by name; `error` says why there are none. `source` is where they come from, `sources` what may.

    `text` is the one to begin with; `at` its place, where it is one that came.
    """

    source: str
    sources: Sequence[str]
    events: Sequence[tuple[str, str]] = ()
    text: str = ANY_EVENT
    at: str = ""
    error: str = ""


def first_events(sight: Sight, destination: str, asked: str, at: str = "") -> FirstEvents:
    """The plan's examples, else one of each call type; to begin with the event at that place, where one is named."""
    first = FirstEvents(asked, list(sight.loaded.topology.sources))
    try:
        first = first._replace(source=source_for(sight.loaded, destination, asked))
        found = examples(sight, destination, first.source)
        first = first._replace(events=found, text=found[0][1] if found else ANY_EVENT)
        return first._replace(text=taken(sight, place_of(sight, at)).text, at=at) if at else first
    except RouterError as error:
        return first._replace(error=str(error))


def delivery_charts(period: Period, over: DestinationRecord) -> tuple[Chart, Chart]:
    """What was delivered and what was not, and how long it took."""
    delivered = Series("delivered", "fine", over.trend_delivered)
    failed = Series("not delivered", "trouble", over.trend_not_delivered)
    return bars(period, (delivered, failed)), line(period, "P95", over.trend_p95)


def settings_text(loaded: Loaded, name: str, mask: Mask) -> str:
    """The topology's part for it as YAML, merged with defaults; of a secret only whether it is set."""
    config = loaded.topology.destinations[name]
    merged = config.model_dump(mode="json", by_alias=True, exclude={"settings"})
    settings = loaded.connector_settings.get(name)
    merged["settings"] = _plain(settings) if settings is not None else {}
    return visible(mask.text(yaml.safe_dump(mask.value(merged), sort_keys=False, allow_unicode=True)))


def _plain(value: Any) -> Any:
    """Settings as data, without secrets."""
    if isinstance(value, SecretStr):
        return "(set)" if value.get_secret_value() else "(not set)"
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


PAGE = Page("/destinations/{name}", "Destinations", answer)
