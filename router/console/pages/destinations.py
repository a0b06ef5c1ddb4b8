"""`/destinations`: every destination in one line."""

from __future__ import annotations

import time

from aiohttp import web

from router.config.models import Topology
from router.console.over_time import NOT_ASKED, OverTime, ask
from router.console.page import Page
from router.console.pages.overview import destination_lines, records_of
from router.console.period import ChosenPeriod, chosen_period
from router.console.sight import LatestCounts, Sight
from router.console.templates import Shown
from router.insights.schema import DestinationsAnswer


async def answer(sight: Sight, request: web.Request) -> Shown:
    span = chosen_period(request.query, int(time.time() * 1000))
    found = await ask(sight.options.insights, "/v1/destinations", DestinationsAnswer, **span.question)
    return destinations(sight.loaded.topology, await sight.counts(), span, found)


def destinations(topology: Topology, counts: LatestCounts, span: ChosenPeriod, found: OverTime = NOT_ASKED) -> Shown:
    """The page. Pure."""
    lines = destination_lines(topology, counts.look, records_of(found))
    values = {"counts": counts, "destinations": lines, "span": span, "away": found.away}
    return Shown("destinations.html", "Destinations", values)


PAGE = Page("/destinations", "Destinations", answer, "d")
