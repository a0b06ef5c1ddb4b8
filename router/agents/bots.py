"""bots: events of crawlers, known by their user agent: kept, flagged, or not sent to any destination.

By source (`bots: keep | flag | drop`). A flagged event has `context.bot: true`. What is dropped is counted for each
destination with the reason `bot`, and stays in the clean stream. The list is the library's. Without state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import ClassVar, Literal, Self

from crawleruseragents import is_crawler

from router.agents.agent import Agent, Prepare, RouteKey, Setup
from router.agents.route import Choice
from router.events.event import Event

LONGEST_USER_AGENT = 1_000
Treatment = Literal["keep", "flag", "drop"]


class Bots(Agent):
    """`treatment` by source."""

    name = "bots"
    reasons: ClassVar = {"bot": "its user agent is a crawler's, and the source drops these"}

    def __init__(self, treatment: Mapping[str, Treatment]) -> None:
        self._treatment = dict(treatment)

    @classmethod
    def build(cls, setup: Setup) -> Self:
        return cls({name: source.bots for name, source in setup.loaded.topology.sources.items()})

    def compile(self, key: RouteKey) -> Prepare | None:
        treatment = self._treatment.get(key[0], "keep")
        if treatment == "keep":
            return None
        return _drop if treatment == "drop" else _flag

    def concerns(self, key: RouteKey, destinations: Collection[str]) -> bool:
        return bool(destinations) or self._treatment.get(key[0]) == "flag"

    def reads(self, key: RouteKey, destinations: Collection[str]) -> Collection[str] | None:
        return ("context",) if self._treatment.get(key[0]) == "drop" else None


def is_bot(event: Event) -> bool:
    """Whether the event's user agent is a crawler's."""
    context = event.body.get("context")
    agent = context.get("userAgent") if isinstance(context, dict) else None
    return isinstance(agent, str) and _is_crawler(agent[:LONGEST_USER_AGENT])


def _flag(event: Event) -> None:
    if is_bot(event):
        event.body["context"]["bot"] = True


def _drop(event: Event) -> None:
    if is_bot(event):
        choice: Choice = event.choice
        event.choice = choice.without([(name, "bot") for name in choice.chosen])


@lru_cache(maxsize=10_000)
def _is_crawler(agent: str) -> bool:
    return bool(is_crawler(agent))
