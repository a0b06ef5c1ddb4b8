"""A story as lines for people: the time since the event was received, who speaks, what happened. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from router.events.times import iso
from router.process.logging import visible
from router.trace.step import StoryStep
from router.trace.story import EventStory

_WIDEST = 20
_GOOD = ("delivered", "unconfirmed")
_BAD = ("dead", "invalid", "blocked")
_OPEN = ("waiting", "retry", "retrying", "unknown", "absent", "violations")


class StyledLine(NamedTuple):
    """`style` is that of rich."""

    text: str
    style: str = ""


def lines(story: EventStory) -> Iterator[StyledLine]:
    """A heading, then a line for each step; the last one of a destination says how it stands there."""
    name = f"{story.type or 'event'} {story.name}".rstrip()
    ids = {"messageId": story.message_id, "source": story.source, "user": story.user_id}
    ids |= {"anonymous": story.anonymous_id}
    heading = "  ".join([name, *(f"{title} {value}" for title, value in ids.items() if value)])
    yield StyledLine(visible(heading), "bold")
    shown = [step for step in story.steps if step.state != "routed"]  # what became of it says where it was
    width = min(_WIDEST, max((len(step.part) for step in shown), default=0))
    for step in shown:
        yield line(step, width, story.received)
    if any(step.recomputed for step in story.steps):
        yield StyledLine(f"  {'':24}  * recomputed with the files as they are now", "dim")


def line(step: StoryStep, width: int = 0, since: int | None = None) -> StyledLine:
    """What comes from outside cannot move the cursor."""
    mark = "*" if step.recomputed else ""
    text = f"  {_time(step.at, since):24}  {step.part:{width}}  {step.text}{mark}"
    return StyledLine(visible(text).rstrip(), _style(step.state))


def _time(at: int | None, since: int | None) -> str:
    if at is None:
        return f"{'now':>24}"
    return iso(at) if since is None or at <= since else f"{f'+{_span(at - since)}':>24}"


def _span(ms: int) -> str:
    seconds = ms / 1000
    if seconds < 100:
        return f"{seconds:.3f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6_000 else f"{seconds / 3600:.1f} h"


def _style(state: str) -> str:
    if state in _GOOD:
        return "green"
    return "red" if state in _BAD else "yellow" if state in _OPEN else ""
