"""privacy: personal data as each destination may have it: kept, hashed, masked or dropped by its class.

An event that loses its last id is not sent there. The clean stream has what the source allowed. Without state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import ClassVar, Self

from router.agents.agent import Agent, Prepare, RouteKey, Setup
from router.agents.route import Choice
from router.events.event import Body, Event
from router.privacy.classes import Action, DataClasses

Actions = tuple[tuple[str, Action], ...]
_IDS = ("userId", "anonymousId")


class Privacy(Agent):
    """`actions` are those of each destination, by class. Destinations with the same actions share one body."""

    name = "privacy"
    reasons: ClassVar = {"privacy": "its ids are personal data that the destination may not have"}

    def __init__(self, classes: DataClasses, actions: Mapping[str, Mapping[str, Action]]) -> None:
        self._classes = classes
        self._actions: dict[str, Actions] = {
            name: tuple(sorted(each.items())) for name, each in actions.items() if set(each.values()) - {"keep"}
        }

    @classmethod
    def build(cls, setup: Setup) -> Self:
        topology = setup.loaded.topology
        actions = {name: actions_of(topology.privacy.destinations, name) for name in topology.destinations}
        return cls(topology.privacy.compiled(), actions)

    def repeatable(self) -> Privacy:
        """The same agent for events that it, or one before it, has treated already."""
        made = Privacy(self._classes.repeatable(), {})
        made._actions = self._actions
        return made

    def compile(self, key: RouteKey) -> Prepare | None:
        return self.prepare if self._actions else None

    def concerns(self, key: RouteKey, destinations: Collection[str]) -> bool:
        return not self._actions.keys().isdisjoint(destinations)

    def prepare(self, event: Event) -> None:
        choice: Choice = event.choice
        made: dict[tuple[int, Actions], Body] = {}
        bodies, refused = {}, []
        for destination in choice.chosen:
            actions = self._actions.get(destination)
            if actions is None:
                continue
            given = choice.bodies.get(destination, event.body)
            key = (id(given), actions)
            body = made.get(key)
            if body is None:
                body = made[key] = self._classes.treat(given, dict(actions)).body
            if body is given:
                continue
            if any(map(body.get, _IDS)):
                bodies[destination] = body
            else:
                refused.append((destination, "privacy"))
        event.choice = choice.with_bodies(bodies).without(refused)


def actions_of(by_glob: Mapping[str, Mapping[str, Action]], destination: str) -> dict[str, Action]:
    """The action of each class at a destination: that of the most specific glob which names the class."""
    matching = [glob for glob in by_glob if fnmatchcase(destination, glob)]
    found: dict[str, Action] = {}
    for glob in sorted(matching, key=lambda glob: (glob == destination, len(glob.strip("*")))):
        found |= by_glob[glob]
    return found
