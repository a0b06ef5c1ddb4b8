"""`/destinations`: every destination in one line."""

from __future__ import annotations

from aiohttp import web

from router.config.models import Topology
from router.console.page import Page
from router.console.pages.overview import destination_lines
from router.console.sight import LatestCounts, Sight
from router.console.templates import Shown


async def answer(sight: Sight, request: web.Request) -> Shown:
    return destinations(sight.loaded.topology, await sight.counts())


def destinations(topology: Topology, counts: LatestCounts) -> Shown:
    values = {"counts": counts, "destinations": destination_lines(topology, counts.look)}
    return Shown("destinations.html", "Destinations", values)


PAGE = Page("/destinations", "Destinations", answer, "d")
