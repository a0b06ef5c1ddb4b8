"""Every page of the console, in the order of the navigation."""

from __future__ import annotations

from router.console.page import Page
from router.console.pages import (
    destination,
    destinations,
    find,
    operations,
    overview,
    plan,
    plans,
    source,
    sources,
    usage,
)

PAGES: tuple[Page, ...] = (
    overview.PAGE, sources.PAGE, source.PAGE, destinations.PAGE, destination.PAGE,
    plans.PAGE, plan.PAGE, usage.PAGE, find.PAGE, operations.PAGE,
)  # fmt: skip
