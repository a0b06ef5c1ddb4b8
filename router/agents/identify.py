"""identify: give each event the profile it belongs to, and find new links between identifiers.

Links that the replica does not know yet go, as facts, through `append`, which returns once the replica has applied them
in the log's order; only then is the event resolved. So an event resolves at a position of the log at or after its own
links, whichever worker it meets. kill -9 can append a fact whose event is then read again: repeats are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from router.agents.agent import Agent, Prepare, RouteKey, Setup
from router.agents.batch import Batch
from router.agents.events import Events
from router.events.event import Event
from router.identity import Extraction, Fact, IdentityRules, Replica, alias


class Identify(Agent):
    """Sets the profile of every event from its identifiers. An event without any is a profile of its own."""

    name = "identify"

    def __init__(self, identities: Replica, append: Callable[[bytes], None], rules: IdentityRules) -> None:
        self._identities = identities
        self._extraction = Extraction(rules)
        self._append = append
        self.pair = self._extraction.pair

    @classmethod
    def build(cls, setup: Setup) -> Self:
        return cls(setup.identities, setup.append, IdentityRules.of(setup.loaded.topology.identity))

    def compile(self, key: RouteKey) -> Prepare:
        return self._prepare_alias if key[1] == "alias" else self.prepare

    def prepare(self, event: Event) -> None:
        event.ids = self._extraction.identifiers(event.body)

    def _prepare_alias(self, event: Event) -> None:
        event.keep = True
        self.prepare(event)

    def process(self, events: Events, batch: Batch) -> Events:
        profiles, linking = self._identities.resolve_many(events.ids)
        facts = [*map(Fact, linking), *dict.fromkeys(self._aliases(events))]
        if facts:
            for record in self._identities.pack(facts):
                self._append(record)
            self._identities.resolve_linked(events.ids, profiles, linking)
        events.profiles = profiles
        return events

    def _aliases(self, events: Events) -> list[Fact]:
        calls = [
            (event.body["previousId"], event.body["userId"])
            for event in events.objects.values()
            if event.type == "alias"
        ]
        blocked = self._extraction.is_blocked
        facts = [alias(previous, user) for previous, user in calls if not blocked(previous) and not blocked(user)]
        return [fact for fact in facts if self._identities.wants(fact)]
