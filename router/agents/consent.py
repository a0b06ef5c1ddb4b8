"""consent: an event goes only to destinations whose purposes the person has agreed to.

Read from `context.consent.categoryPreferences`, a map of category to true or false, as Segment's consent wrappers send
it. A destination names its categories (`consent: [marketing]`) and needs all of them. Without state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self

from router.agents.agent import Agent, Prepare, RouteKey, Setup
from router.agents.route import Choice
from router.events.event import Body, Event


class Consent(Agent):
    """`categories` are those that each destination needs; `assumed` is what an event that says nothing has said."""

    name = "consent"
    reasons: ClassVar = {"consent": "the person has not agreed to a category that the destination needs"}

    def __init__(self, categories: Mapping[str, tuple[str, ...]], *, assumed: bool) -> None:
        self._categories = {name: needed for name, needed in categories.items() if needed}
        self._assumed = assumed

    @classmethod
    def build(cls, setup: Setup) -> Self:
        topology = setup.loaded.topology
        needed = {name: config.consent for name, config in topology.destinations.items()}
        return cls(needed, assumed=topology.consent.unknown == "assume")

    def compile(self, key: RouteKey) -> Prepare | None:
        return self.prepare if self._categories else None

    def concerns(self, key: RouteKey, destinations: Collection[str]) -> bool:
        return not self._categories.keys().isdisjoint(destinations)

    def reads(self, key: RouteKey, destinations: Collection[str]) -> Collection[str]:
        return ("context",)

    def prepare(self, event: Event) -> None:
        choice: Choice = event.choice
        given = preferences(event.body)
        event.choice = choice.without(
            [(name, "consent") for name in choice.chosen if not self._agreed(self._categories.get(name, ()), given)]
        )

    def _agreed(self, needed: tuple[str, ...], given: Mapping[str, Any]) -> bool:
        return all(given.get(category, self._assumed) is True for category in needed)


def preferences(body: Body) -> Mapping[str, Any]:
    """Category to what the person said; empty where the event says nothing that can be read."""
    found: Any = body
    for name in ("context", "consent", "categoryPreferences"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
