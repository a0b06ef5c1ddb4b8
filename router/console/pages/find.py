"""`/find?q=`: the events that an id names, and their stories as `router trace` tells them.

The name of a source or a destination leads to its page.
`since` is an age or a time, 24 hours unless given. Reading joins no group; two searches run at a time.
"""

from __future__ import annotations

import time

from aiohttp import web

from router.console.page import Page
from router.console.sight import Sight
from router.console.states import MARKS, Tone
from router.console.templates import Shown
from router.embedded.broker import recognised
from router.errors import RouterError
from router.replay.selection import moment
from router.trace.scan import Scanner
from router.trace.step import StoryStep
from router.trace.story import EventStory
from router.trace.tracer import Traced, Tracer

SINCE = {"1h": "last hour", "24h": "last 24 hours", "7d": "last 7 days"}
MOST_EVENTS = 20
_TONES: dict[str, Tone] = {
    **dict.fromkeys(("delivered", "unconfirmed", "passed", "resolved"), "fine"),
    **dict.fromkeys(("dead", "invalid", "blocked"), "trouble"),
    **dict.fromkeys(("waiting", "retry", "retrying", "unknown", "absent", "violations"), "attention"),
    **dict.fromkeys(("filtered", "repeat"), "quiet"),
}


async def answer(sight: Sight, request: web.Request) -> Shown:
    asked, since = request.query.get("q", "").strip()[:400], request.query.get("since", "24h")
    topology = sight.loaded.topology
    for names, path in ((topology.sources, "sources"), (topology.destinations, "destinations")):
        if asked in names:
            raise web.HTTPSeeOther(f"/{path}/{asked}")
    if not asked:
        return find(asked, since, None, "")
    try:
        async with sight.searches:
            return find(asked, since, await sight.read(lambda: trace(sight, asked, since)), "")
    except RouterError as error:
        return find(asked, since, None, str(error))


def trace(sight: Sight, asked: str, since: str) -> Traced:
    """Raises UsageError for a time that is none, Unavailable."""
    now = int(time.time() * 1000)
    start = moment(since, "since", now)
    with Scanner(recognised(sight.cluster)) as scanner:
        tracer = Tracer(sight.loaded, scanner, sight.mask)
        return tracer.trace(asked, start if start is not None else now - 86_400_000, now, MOST_EVENTS)


def find(asked: str, since: str, traced: Traced | None, error: str) -> Shown:
    """The page of what was found. Pure."""
    stories = list(reversed(traced.stories)) if traced else []
    profiles = sorted({story.profile for story in stories if story.profile})
    values = {
        "asked": asked, "since": since, "spans": SINCE, "traced": traced, "error": error, "stories": stories,
        "profiles": profiles, "tone": tone, "marks": MARKS, "gap": gap,
    }  # fmt: skip
    return Shown("find.html", f"Find {asked}" if asked else "Find", values)


def tone(step: StoryStep) -> Tone:
    """The meaning of a step's colour."""
    return _TONES.get(step.state, "information")


def gap(story: EventStory, step: StoryStep) -> float | None:
    """Seconds from receiving the event to this step; None where either is not known."""
    return None if step.at is None or story.received is None else (step.at - story.received) / 1000


PAGE = Page("/find", "Identity", answer, "i")
