"""Give each event the profile it belongs to, and find new links between identifiers.

Links that the replica does not know yet go, as facts, through `append`, which returns once the replica has applied them
in the log's order; only then is the event resolved. So an event resolves at a position of the log at or after its own
links, whichever worker it meets. kill -9 can append a fact whose event is then read again: repeats are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from router.events.event import Body, Event
from router.identity import Fact, Identifiers, alias, identifiers, is_nobody, link, pack_facts


class Identities(Protocol):
    """Who is who, so far; see router.state.replica and router.identity.memory."""

    def resolve_many(self, wanted: Sequence[Identifiers]) -> tuple[list[str], list[Identifiers]]: ...

    def wants(self, fact: Fact) -> bool: ...


class Identify:
    """Sets the profile of every event from its identifiers."""

    def __init__(self, identities: Identities, append: Callable[[bytes], None]) -> None:
        self._identities = identities
        self._append = append

    def __call__(self, events: Sequence[Event]) -> None:
        wanted = [event.ids for event in events]
        profiles, linking = self._identities.resolve_many(wanted)
        facts = [*map(link, linking), *self._aliases(events)]
        if facts:
            for record in pack_facts(dict.fromkeys(facts)):
                self._append(record)
            profiles, _ = self._identities.resolve_many(wanted)
        for event, profile in zip(events, profiles, strict=True):
            event.profile = profile

    def _aliases(self, events: Sequence[Event]) -> list[Fact]:
        calls = [(event.body["previousId"], event.body["userId"]) for event in events if event.type == "alias"]
        facts = [alias(previous, user) for previous, user in calls if not is_nobody(previous) and not is_nobody(user)]
        return [fact for fact in facts if self._identities.wants(fact)]


def who(body: Body) -> Identifiers:
    """The identifiers of an event; one whose ids all stand for nobody is a profile of its own."""
    return identifiers(body) or (("message", body["messageId"]),)
