"""A worker's replica of the identity log: applies its records, in order, and answers who is who.

State and position are one atomic write for each record, so the replica always stands exactly at its position. kill -9
takes what the store had not flushed; the log from the flushed position on gives it back. One thread only.
"""

from __future__ import annotations

from collections.abc import Sequence

from router import metrics
from router.identity.facts import Fact, unpack_facts
from router.identity.graph import IdentityGraph
from router.identity.resolver import Places, Resolver
from router.identity.rules import Identifiers, IdentityRules
from router.identity.store import IdentityStore, Merge


class Replica:
    """The identity graph over a store."""

    def __init__(self, store: IdentityStore, rules: IdentityRules) -> None:
        self.store = store
        self._rules = rules
        self._graph = IdentityGraph(store, rules)
        self._resolver = Resolver(self._graph, store)

    def position(self) -> int:
        """The next offset of the log."""
        return self.store.position()

    def apply_record(self, offset: int, time_ms: int, record: bytes) -> list[Merge]:
        """Apply a record of the log, once; a bad fact is skipped alike everywhere, and counted."""
        store = self.store
        if offset < store.position():
            return []
        with store.session():
            facts, bad = unpack_facts(record, self._rules)
            if bad:
                metrics.LINKS.labels("skipped").inc(bad)
            store.profiles_of({identifier for fact in facts for identifier in fact.ids})  # one look-up for them all
            merges: list[Merge] = []
            for number, fact in enumerate(facts):
                merges += self._graph.apply(fact, time_ms, (offset << 16) + number)
            store.commit(offset, merges)
        self._resolver.note(merges)
        return merges

    def resolve_many(self, wanted: Sequence[Identifiers]) -> tuple[list[str], Places]:
        """The profile id of each, and those that want a link; see Resolver."""
        with self.store.session():
            return self._resolver.resolve_many(wanted)

    def resolve_linked(self, wanted: Sequence[Identifiers], profiles: list[str], linked: Places) -> None:
        """The same for `profiles` once links were applied; see Resolver."""
        with self.store.session():
            self._resolver.resolve_linked(wanted, profiles, linked)

    def wants(self, fact: Fact) -> bool:
        """Whether a fact would change anything."""
        with self.store.session():
            return self._graph.allowed(fact) is not None

    def reset(self, position: int = 0) -> None:
        """Forget everything and stand at this offset; the log from there on gives it back."""
        self._resolver.forget()
        self.store.reset(position)

    def close(self) -> None:
        self.store.close()
