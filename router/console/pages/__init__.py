"""Every page of the console, in the order of the navigation."""

from __future__ import annotations

from router.console.page import Page
from router.console.pages import overview

PAGES: tuple[Page, ...] = (overview.PAGE,)
