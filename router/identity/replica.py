"""A worker's replica of the identity log: applies its records, in order, and answers who is who.

State and position are one atomic write for each record, so the replica always stands exactly at its position. kill -9
takes what the store had not flushed; the log from the flushed position on gives it back. One thread only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from router import metrics
from router.identity.facts import Fact, Facts, pack_facts, unpack_facts
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
        self._packed: list[Fact] = []

    def position(self) -> int:
        """The next offset of the log."""
        return self.store.position()

    def pack(self, facts: list[Fact]) -> list[bytes]:
        """Records of these facts, to be appended in this order."""
        self._packed = facts
        return pack_facts(facts)

    def read(self, record: bytes) -> Facts:
        """The facts of a record; needs nothing of the state.

        Of a record packed here, equal ones that are in memory already: a copy would be hashed anew and kept beside.
        """
        facts, bad = unpack_facts(record, self._rules)
        own = self._packed[: len(facts)]
        if facts != own:
            return Facts(facts, bad)
        self._packed = self._packed[len(own) :]
        return Facts(own, bad)

    def apply_record(self, offset: int, time_ms: int, record: bytes) -> list[Merge]:
        """Apply a record of the log, once; a bad fact is skipped alike everywhere, and counted."""
        return self.apply(offset, time_ms, self.read(record)) if offset >= self.position() else []

    def apply(self, offset: int, time_ms: int, facts: Facts) -> list[Merge]:
        """Apply what was read of the record at this offset, which must not have been applied yet."""
        store = self.store
        with store.session():
            if facts.bad:
                metrics.LINKS.labels("skipped").inc(facts.bad)
            store.profiles_of(chain.from_iterable([fact.ids for fact in facts.facts]))  # one look-up for them all
            merges: list[Merge] = []
            for number, fact in enumerate(facts.facts):
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
