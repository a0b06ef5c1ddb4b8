"""`/sources`: every source in one line."""

from __future__ import annotations

from aiohttp import web

from router.config.models import Topology
from router.console.page import Page
from router.console.pages.overview import source_lines
from router.console.sight import LatestCounts, Sight
from router.console.templates import Shown


async def answer(sight: Sight, request: web.Request) -> Shown:
    return sources(sight.loaded.topology, await sight.counts())


def sources(topology: Topology, counts: LatestCounts) -> Shown:
    lines = source_lines(topology, counts.look.seen if counts.look else None)
    return Shown("sources.html", "Sources", {"counts": counts, "sources": lines})


PAGE = Page("/sources", "Sources", answer, "s")
