"""`/sources/NAME`: what arrives, live; why events were stopped; what sends a first event."""

from __future__ import annotations

from aiohttp import web

from router.agents.table import REASONS
from router.config.models import Topology
from router.config.options import RunOptions
from router.console.live.rows import OUTCOMES
from router.console.over_time import NOT_ASKED, PERIODS, USUAL, OverTime, ask, period
from router.console.page import Page, not_found
from router.console.sight import LatestCounts, Sight
from router.console.states import source_state
from router.console.templates import Shown
from router.document import nearest
from router.gateway.answers import explained
from router.insights.schema import EventsAnswer

TYPES = ("identify", "track", "page", "screen", "group", "alias")
_SHOWN_OF_A_KEY = 4


async def answer(sight: Sight, request: web.Request) -> Shown:
    name, last = request.match_info["name"], period(request.query.get("last", ""))
    found = await ask(sight.options.insights, "/v1/events", EventsAnswer, source=name, since=last)
    return source(name, sight.loaded.topology, sight.options, await sight.counts(), found, last)


def source(
    name: str, topology: Topology, options: RunOptions, counts: LatestCounts, found: OverTime = NOT_ASKED,
    last: str = USUAL,
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
    host, port = options.gateway
    values = {
        "name": name, "source": one, "counts": counts, "state": source_state(name, topology, seen), "keys": keys,
        "plans": seen.plans.get(name, ()) if seen else (), "stopped": [*stopped, *refused], "types": TYPES,
        "violations": _counts(seen.violations if seen else {}, name), "outcomes": OUTCOMES,
        "gateway": topology.gateway.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}",
        "schema": found.of(EventsAnswer), "away": found.away, "last": last, "periods": PERIODS,
    }  # fmt: skip
    return Shown("source.html", name, values)


def _counts(found: object, name: str) -> list[tuple[str, int]]:
    own = found.get(name, {}) if isinstance(found, dict) else {}
    return list(own.items())


PAGE = Page("/sources/{name}", "Sources", answer)
