"""`/plans`: which source follows which plan, in which revision, and what breaks it, by rule and field."""

from __future__ import annotations

import time

from aiohttp import web

from router.config.loader import Loaded
from router.console.over_time import NOT_ASKED, OverTime, ask
from router.console.page import Page
from router.console.period import ChosenPeriod, chosen_period
from router.console.plan_folders import plan_names
from router.console.sight import LatestCounts, Sight
from router.console.templates import Shown
from router.insights.schema import ViolationsAnswer


async def answer(sight: Sight, request: web.Request) -> Shown:
    span = chosen_period(request.query, int(time.time() * 1000))
    found = await ask(sight.options.insights, "/v1/violations", ViolationsAnswer, **span.question)
    return plans(sight.loaded, await sight.counts(), span, found)


def plans(loaded: Loaded, counts: LatestCounts, span: ChosenPeriod, found: OverTime = NOT_ASKED) -> Shown:
    """The page. Pure."""
    seen = counts.look.seen if counts.look else None
    names = {source: name for name, (_, sources) in plan_names(loaded).items() for source in sources}
    lines = [
        (
            name, names.get(name, ""), seen.plans.get(name, ()) if seen else (),
            "only reports" if source.enforce.report_only else "acts on violations",
            seen.violations.get(name, {}) if seen else {},
        )
        for name, source in loaded.topology.sources.items()
    ]  # fmt: skip
    values = {
        "counts": counts, "lines": lines, "found": found.of(ViolationsAnswer), "away": found.away, "span": span,
    }  # fmt: skip
    return Shown("plans.html", "Plans", values)


PAGE = Page("/plans", "Plans", answer, "p")
