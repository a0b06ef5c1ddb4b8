"""`/sources`: every source in one line."""

from __future__ import annotations

import time

from aiohttp import web

from router.config.models import Topology
from router.console.over_time import NOT_ASKED, OverTime, ask
from router.console.page import Page
from router.console.pages.overview import source_lines, volumes_of
from router.console.period import ChosenPeriod, chosen_period
from router.console.sight import LatestCounts, Sight
from router.console.templates import Shown
from router.insights.schema import VolumeAnswer


async def answer(sight: Sight, request: web.Request) -> Shown:
    span = chosen_period(request.query, int(time.time() * 1000))
    found = await ask(sight.options.insights, "/v1/volume", VolumeAnswer, **span.question)
    return sources(sight.loaded.topology, await sight.counts(), span, found)


def sources(topology: Topology, counts: LatestCounts, span: ChosenPeriod, found: OverTime = NOT_ASKED) -> Shown:
    """The page. Pure."""
    lines = source_lines(topology, counts.look.seen if counts.look else None, volumes_of(found))
    return Shown("sources.html", "Sources", {"counts": counts, "sources": lines, "span": span, "away": found.away})


PAGE = Page("/sources", "Sources", answer, "s")
