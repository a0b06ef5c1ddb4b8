"""The contract of a page: a path, a function from a request to what is shown, and its place in the navigation.

To add one: write `router/console/pages/<name>.py` with a `PAGE`, and add it to PAGES of `router/console/pages`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from router.console.sight import Sight
from router.console.templates import Shown

Answer = Callable[[Sight, web.Request], Awaitable[Shown]]


@dataclass(frozen=True, slots=True)
class Page:
    """`section` is the navigation's entry that it belongs to; `key` goes there after `g`, on the section's own page."""

    path: str
    section: str
    answer: Answer
    key: str = ""


def not_found(what: str, asked: str, hint: str | None, back: str) -> Shown:
    """`what` is its kind, such as destination; `hint` a name that is there; `back` the path of the list."""
    values = {"what": what, "asked": asked, "hint": hint, "back": back}
    return Shown("not_found.html", "Not found", values, 404)
