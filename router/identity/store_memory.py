"""The identity store in memory, for topology tests and property tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from router.identity.rules import Identifier
from router.identity.store import Merge, Profile, profile_id


class MemoryIdentityStore:
    """Profiles in dicts; gone with the process."""

    def __init__(self, position: int = 0) -> None:
        self.ids: dict[Identifier, str] = {}
        self.profiles: dict[str, Profile] = {}
        self.merges: dict[int, list[Merge]] = {}
        self._position = position

    def session(self) -> AbstractContextManager[None]:
        return nullcontext()

    def profile_of(self, identifier: Identifier) -> str:
        return self.ids.get(identifier) or profile_id(identifier)

    def profiles_of(self, identifiers: Iterable[Identifier]) -> Mapping[Identifier, str]:
        return {identifier: self.profile_of(identifier) for identifier in identifiers}

    def are_alone(self, identifiers: Iterable[Identifier]) -> bool:
        return self.ids.keys().isdisjoint(identifiers)

    def profile(self, id_: str) -> Profile:
        return self.profiles[id_]

    def replace(self, id_: str, profile: Profile, joined: Iterable[Identifier], removed: Iterable[str]) -> None:
        for old in removed:
            del self.profiles[old]
        self.profiles[id_] = profile
        self.ids |= dict.fromkeys(joined, id_)

    def position(self) -> int:
        return self._position

    def commit(self, offset: int, merges: Sequence[Merge]) -> None:
        if merges:
            self.merges[offset] = list(merges)
        self._position = offset + 1

    def merges_from(self, offset: int, limit: int) -> list[tuple[int, Merge]]:
        rows: list[tuple[int, Merge]] = []
        for at in sorted(at for at in self.merges if at >= offset):
            if len(rows) >= limit:
                break
            rows += [(at, merge) for merge in self.merges[at]]
        return rows

    def prune_merges(self, before: int) -> None:
        self.merges = {at: merges for at, merges in self.merges.items() if at >= before}

    def reset(self, position: int = 0) -> None:
        self.ids, self.profiles, self.merges, self._position = {}, {}, {}, position

    def close(self) -> None:
        return None
