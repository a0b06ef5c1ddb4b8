"""`/`: what needs attention first, what came in and where it went, and every source and destination in one line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from aiohttp import web

from router.agents.table import ENDINGS
from router.config.models import Topology
from router.console.change import ComparedCounts, CountChange, compared
from router.console.charts import Series, UsualBand, bars
from router.console.over_time import NOT_ASKED, OverTime, ask, ask_before
from router.console.page import Page
from router.console.period import ChosenPeriod, chosen_period
from router.console.sight import LatestCounts, Sight
from router.console.states import StateWord, Tone, concerns, destination_state, missed_targets, source_state
from router.console.templates import Shown
from router.insights.schema import DestinationRecord, DestinationsAnswer, FunnelAnswer, SourceVolume, VolumeAnswer
from router.process.snapshot import DestinationRow, Snapshot
from router.status.pages import Look

_ORDER: Mapping[Tone, int] = {"trouble": 0, "attention": 1, "information": 2, "fine": 3, "quiet": 4}


@dataclass(frozen=True, slots=True)
class FunnelBox:
    """A count, what it is a share of, and the colour's meaning: quiet is meant so."""

    title: str
    count: int
    whole: int
    tone: Tone = "quiet"
    says: str = ""
    change: CountChange | None = None


@dataclass(frozen=True, slots=True)
class DestinationLine:
    """`row` is what the processes say now, `over` what was counted in the time asked for."""

    name: str
    type: str
    state: StateWord
    row: DestinationRow
    over: DestinationRecord | None = None

    @property
    def delivered(self) -> int:
        return self.over.delivered if self.over else self.row.delivered

    @property
    def not_delivered(self) -> int:
        return self.over.not_delivered if self.over else self.row.dead + self.row.retrying

    @property
    def p95(self) -> float | None:
        if self.over is None:
            return self.row.p95_seconds
        return self.over.latency.p95 if self.over.latency else None


@dataclass(frozen=True, slots=True)
class SourceLine:
    name: str
    state: StateWord
    plan: str
    refused: int
    stopped: int
    violations: int
    over: SourceVolume | None = None


async def answer(sight: Sight, request: web.Request) -> Shown:
    span = chosen_period(request.query, int(time.time() * 1000))
    address, question = sight.options.insights, span.question
    counts, before, *found = await asyncio.gather(
        sight.counts(),
        ask_before(address, "/v1/funnel", FunnelAnswer, **span.question_before),
        ask(address, "/v1/funnel", FunnelAnswer, **question),
        ask(address, "/v1/destinations", DestinationsAnswer, **question),
        ask(address, "/v1/volume", VolumeAnswer, **question),
    )
    funnel, delivery, volume = found
    return overview(sight.loaded.topology, counts, span, funnel, delivery, volume, before)


def overview(
    topology: Topology, counts: LatestCounts, span: ChosenPeriod, funnel: OverTime = NOT_ASKED,
    delivery: OverTime = NOT_ASKED, volume: OverTime = NOT_ASKED, before: OverTime = NOT_ASKED,
) -> Shown:  # fmt: skip
    """The page: counts of now, and what insights has counted in a time and in the one before. Pure."""
    look, over = counts.look, funnel.of(FunnelAnswer)
    pair = compared(FunnelAnswer, funnel, before, span.words_before)
    volumes = volumes_of(volume)
    values: dict[str, Any] = {
        "counts": counts, "span": span, "over": over, "away": funnel.away, "suffix": span.suffix,
        "before": span.words_before if pair and pair.before else "",
        "sources": source_lines(topology, look.seen if look else None, volumes),
        "destinations": destination_lines(topology, look, records_of(delivery)), "charts": [],
    }  # fmt: skip
    if over is not None and pair is not None:
        values |= {"events": _events_over(pair), "deliveries": _deliveries_over(pair), "sums": _sums_over(over)}
        received = Series("received", "information", over.trend_received)
        values["charts"] = [
            bars(over.period, [received], UsualBand(over.usual_low, over.usual_high)),
            bars(over.period, [Series("delivered", "fine", over.trend_delivered)]),
        ]
    if look is None:
        return Shown("overview.html", "Overview", values | {"seen": None, "concerns": []})
    seen = look.seen
    missed = missed_targets(
        topology, records_of(delivery), f"in the {span.words}" if span.last else f"from {span.words}"
    )
    values |= {"seen": seen, "concerns": concerns(look, volumes, missed)}
    if over is None:
        values |= {"events": _events(seen), "deliveries": _deliveries(seen), "sums": _sums(seen)}
    return Shown("overview.html", "Overview", values)


def records_of(found: OverTime) -> Mapping[str, DestinationRecord]:
    """What was counted of each destination; empty without insights."""
    answered = found.of(DestinationsAnswer)
    return {row.name: row for row in answered.rows} if answered else {}


def volumes_of(found: OverTime) -> Mapping[str, SourceVolume]:
    """What was counted of each source; empty without insights."""
    answered = found.of(VolumeAnswer)
    return {row.source: row for row in answered.rows} if answered else {}


def _events_over(pair: ComparedCounts[FunnelAnswer]) -> list[FunnelBox]:
    ended = {ending.name: int(getattr(pair.now, ending.name)) for ending in ENDINGS}
    boxes = _ending_boxes(pair.now.received, ended)
    names = ["received", *ended]
    return [replace(box, change=pair.change(attrgetter(name))) for box, name in zip(boxes, names, strict=True)]


def _deliveries_over(pair: ComparedCounts[FunnelAnswer]) -> list[FunnelBox]:
    over, whole = pair.now, _sent(pair.now)
    return [
        FunnelBox("Routed", whole, 0, "information", "Redriven ones with them", pair.change(_sent)),
        FunnelBox("Not sent", over.filtered, whole, "quiet", "A mapping or a cap says not to", pair.change(_filtered)),
        FunnelBox("Delivered", over.delivered, whole, "fine", change=pair.change(_delivered)),
        FunnelBox("Dead", over.dead, whole, "trouble" if over.dead else "quiet", change=pair.change(_dead)),
        FunnelBox("Pending now", over.pending, 0, "attention" if over.pending else "quiet"),
    ]


def _sent(over: FunnelAnswer) -> int:
    return over.routed + over.redriven


_filtered, _delivered, _dead = map(attrgetter, ("filtered", "delivered", "dead"))


def _sums_over(over: FunnelAnswer) -> Mapping[str, Any]:
    ended = {ending.title: int(getattr(over, ending.name)) for ending in ENDINGS}
    text = f"{over.received:,} received = {' + '.join(f'{count:,} {title}' for title, count in ended.items())}"
    return {"text": text, "off": abs(over.received - sum(ended.values())), "unbalanced": []}


def _events(seen: Snapshot) -> list[FunnelBox]:
    return _ending_boxes(seen.received, seen.ended)


def _ending_boxes(received: int, ended: Mapping[str, int]) -> list[FunnelBox]:
    tones: dict[str, Tone] = {"invalid": "trouble", "blocked": "trouble", "resolved": "fine"}
    boxes = [FunnelBox("Received", received, 0, "information")]
    for ending in ENDINGS:
        count = ended[ending.name]
        tone = tones.get(ending.name, "quiet") if count else "quiet"
        boxes.append(FunnelBox(ending.title.capitalize(), count, received, tone))
    return boxes


def _deliveries(seen: Snapshot) -> list[FunnelBox]:
    rows = seen.destinations
    routed = sum(row.routed + row.redriven for row in rows)
    dead, pending = sum(row.dead for row in rows), sum(max(row.pending, 0) for row in rows)
    filtered = sum(sum(row.filtered.values()) for row in rows)
    return [
        FunnelBox("Filtered", filtered, routed + filtered, says="The topology says not to send them"),
        FunnelBox("Routed", routed, 0, "information"),
        FunnelBox("Not sent", sum(row.skipped for row in rows), routed, says="A mapping or a cap says not to"),
        FunnelBox("Pending", pending, routed, "attention" if pending else "quiet"),
        FunnelBox("Delivered", sum(row.delivered for row in rows), routed, "fine"),
        FunnelBox("Dead", dead, routed, "trouble" if dead else "quiet"),
    ]


def _sums(seen: Snapshot) -> Mapping[str, Any]:
    ended = " + ".join(f"{seen.ended[ending.name]:,} {ending.title}" for ending in ENDINGS)
    return {
        "text": f"{seen.received:,} received = {ended}", "off": abs(seen.received - sum(seen.ended.values())),
        "unbalanced": [row.name for row in seen.destinations if not row.balanced],
    }  # fmt: skip


def destination_lines(
    topology: Topology, look: Look | None, over: Mapping[str, DestinationRecord] = MappingProxyType({})
) -> list[DestinationLine]:
    """Every destination of the topology, trouble first."""
    rows = {row.name: row for row in look.seen.destinations} if look else {}
    enabled = topology.enabled_destinations
    lines = []
    for name, destination in topology.destinations.items():
        row = rows.get(name)
        if look is None:
            state = StateWord("unknown", "quiet", "no process answers")
        else:
            state = destination_state(row, look.live, enabled=name in enabled)
        lines.append(DestinationLine(name, destination.type, state, row or DestinationRow(name), over.get(name)))
    return sorted(lines, key=lambda line: (_ORDER[line.state.tone], -line.not_delivered, -line.row.routed, line.name))


def source_lines(
    topology: Topology, seen: Snapshot | None, over: Mapping[str, SourceVolume] = MappingProxyType({})
) -> list[SourceLine]:
    """Every source of the topology, trouble first."""
    lines = []
    for name, source in topology.sources.items():
        volume = over.get(name)
        state, plan = source_state(name, topology, seen, volume), source.plan.name if source.plan else ""
        counted = (seen.refused, seen.stopped, seen.violations) if seen else ({}, {}, {})
        refused, stopped, violations = (sum(counts.get(name, {}).values()) for counts in counted)
        lines.append(SourceLine(name, state, plan, refused, stopped, violations, volume))
    return sorted(lines, key=lambda line: (_ORDER[line.state.tone], -line.stopped, -line.violations, line.name))


PAGE = Page("/", "Overview", answer, "o")
