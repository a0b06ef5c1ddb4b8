"""The identity replica in memory, for topology tests and property tests; the same methods as the one on RocksDB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from router.identity.applier import Applier, Merge, Profile
from router.identity.facts import Fact, unpack_facts
from router.identity.identifiers import Identifier, Identifiers
from router.identity.resolve import Resolver


class MemoryReplica:
    """Profiles in dicts."""

    def __init__(self, position: int = 0) -> None:
        self.ids: dict[Identifier, str] = {}
        self.profiles: dict[str, Profile] = {}
        self.ledger: dict[int, list[Merge]] = {}
        self.skipped = 0
        self._position = position
        self._applier = Applier(self)
        self._resolver = Resolver(self._applier, self)

    def profile_of(self, identifier: Identifier) -> str | None:
        return self.ids.get(identifier)

    def profiles_of(self, identifiers: Iterable[Identifier]) -> Mapping[Identifier, str | None]:
        return {identifier: self.ids.get(identifier) for identifier in identifiers}

    def profile(self, id_: str) -> Profile:
        return self.profiles[id_]

    def replace(self, id_: str, profile: Profile, joined: Iterable[Identifier], gone: Iterable[str]) -> None:
        for old in gone:
            del self.profiles[old]
        self.profiles[id_] = profile
        self.ids |= dict.fromkeys(joined, id_)

    def position(self) -> int:
        """The next log offset."""
        return self._position

    def apply_record(self, offset: int, time_ms: int, record: bytes) -> list[Merge]:
        """Apply a record of the log, once; what is no fact is skipped alike everywhere, and counted."""
        if offset < self._position:
            return []
        facts, bad = unpack_facts(record)
        self.skipped += bad
        merges: list[Merge] = []
        for number, fact in enumerate(facts):
            merges += self._applier.apply(fact, time_ms, (offset << 16) + number)
        self._position = offset + 1
        if merges:
            self.ledger[offset] = merges
        self._resolver.note(merges)
        return merges

    def resolve_many(self, wanted: Sequence[Identifiers]) -> tuple[list[str], list[Identifiers]]:
        """See Resolver."""
        return self._resolver.resolve_many(wanted)

    def wants(self, fact: Fact) -> bool:
        """Whether a fact would change anything."""
        return self._applier.allowed(fact) is not None

    def merges_from(self, offset: int, limit: int) -> list[tuple[int, Merge]]:
        """Merges of the log from this offset on: at least `limit` where there are that many, no record cut in two."""
        rows: list[tuple[int, Merge]] = []
        for at in sorted(at for at in self.ledger if at >= offset):
            if len(rows) >= limit:
                break
            rows += [(at, merge) for merge in self.ledger[at]]
        return rows

    def prune_merges(self, before: int) -> None:
        """Forget the merges of offsets before this one."""
        self.ledger = {at: merges for at, merges in self.ledger.items() if at >= before}

    def reset(self, position: int = 0) -> None:
        """Forget everything and stand at this offset; the log from there on gives it back."""
        self.__init__(position)  # type: ignore[misc]

    def close(self) -> None:
        return None
