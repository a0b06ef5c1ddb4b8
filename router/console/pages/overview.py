"""`/`: what needs attention first, what came in and where it went, and every source and destination in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from router.agents.table import ENDINGS
from router.config.models import Topology
from router.console.page import Page
from router.console.sight import LatestCounts, Sight
from router.console.states import StateWord, Tone, concerns, destination_state, source_state
from router.console.templates import Shown
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


@dataclass(frozen=True, slots=True)
class DestinationLine:
    name: str
    type: str
    state: StateWord
    row: DestinationRow

    @property
    def not_delivered(self) -> int:
        return self.row.dead + self.row.retrying


@dataclass(frozen=True, slots=True)
class SourceLine:
    name: str
    state: StateWord
    plan: str
    refused: int
    stopped: int
    violations: int


async def answer(sight: Sight, request: web.Request) -> Shown:
    return overview(sight.loaded.topology, await sight.counts())


def overview(topology: Topology, counts: LatestCounts) -> Shown:
    """The page of these counts."""
    look = counts.look
    values: dict[str, Any] = {"counts": counts, "sources": source_lines(topology, look.seen if look else None)}
    values["destinations"] = destination_lines(topology, look)
    if look is None:
        return Shown("overview.html", "Overview", values | {"seen": None, "concerns": []})
    seen = look.seen
    values |= {"seen": seen, "concerns": concerns(look), "events": _events(seen), "deliveries": _deliveries(seen)}
    return Shown("overview.html", "Overview", values | {"sums": _sums(seen)})


def _events(seen: Snapshot) -> list[FunnelBox]:
    tones: dict[str, Tone] = {"invalid": "trouble", "blocked": "trouble", "resolved": "fine"}
    boxes = [FunnelBox("Received", seen.received, 0, "information")]
    for ending in ENDINGS:
        count = seen.ended[ending.name]
        tone = tones.get(ending.name, "quiet") if count else "quiet"
        boxes.append(FunnelBox(ending.title.capitalize(), count, seen.received, tone))
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


def destination_lines(topology: Topology, look: Look | None) -> list[DestinationLine]:
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
        lines.append(DestinationLine(name, destination.type, state, row or DestinationRow(name)))
    return sorted(lines, key=lambda line: (_ORDER[line.state.tone], -line.not_delivered, -line.row.routed, line.name))


def source_lines(topology: Topology, seen: Snapshot | None) -> list[SourceLine]:
    """Every source of the topology, trouble first."""
    lines = []
    for name, source in topology.sources.items():
        state, plan = source_state(name, topology, seen), source.plan.name if source.plan else ""
        counted = (seen.refused, seen.stopped, seen.violations) if seen else ({}, {}, {})
        lines.append(SourceLine(name, state, plan, *(sum(counts.get(name, {}).values()) for counts in counted)))
    return sorted(lines, key=lambda line: (_ORDER[line.state.tone], -line.stopped, -line.violations, line.name))


PAGE = Page("/", "Overview", answer, "o")
