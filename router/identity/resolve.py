"""From the identifiers of events to their profiles, with a memory of the pairs seen lately before the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from router.identity.applier import Applier, Merge, profile_id
from router.identity.facts import Fact
from router.identity.identifiers import Identifier, Identifiers

REMEMBERED = 300_000


class Lookup(Protocol):
    """Many identifiers at once."""

    def profiles_of(self, identifiers: Iterable[Identifier]) -> Mapping[Identifier, str | None]: ...


class Resolver:
    """Remembers what needed no link. Connectivity never splits, so that stays true; merges are followed."""

    def __init__(self, applier: Applier, lookup: Lookup) -> None:
        self._applier = applier
        self._lookup = lookup
        self._known: dict[Identifiers, str] = {}
        self._moved: dict[str, str] = {}

    def resolve_many(self, wanted: Sequence[Identifiers]) -> tuple[list[str], list[int]]:
        """The profile id of each, and the places whose identifiers want a link: they are not yet in one profile, and
        the rules would let them be. None of `wanted` may be empty.
        """
        known, moved = self._known, self._moved
        profiles: list[str] = []
        missed: list[int] = []
        for place, ids in enumerate(wanted):
            profile = known.get(ids, "")
            if not profile:
                missed.append(place)
            elif profile in moved:
                profile = known[ids] = self._follow(profile)
            profiles.append(profile)
        return profiles, self._look(wanted, profiles, missed) if missed else []

    def _follow(self, profile: str) -> str:
        while profile in self._moved:
            profile = self._moved[profile]
        return profile

    def _look(self, wanted: Sequence[Identifiers], profiles: list[str], missed: list[int]) -> list[int]:
        """Fill in what memory did not have; returns the places that want a link."""
        found = self._lookup.profiles_of({identifier for place in missed for identifier in wanted[place]})
        wanting = []
        for place in missed:
            ids = wanted[place]
            best = profiles[place] = found[ids[0]] or profile_id(ids[0])
            if self._wants_link(ids, best, found):
                wanting.append(place)
            else:
                self._remember(ids, best)
        return wanting

    def _wants_link(self, ids: Identifiers, best: str, found: Mapping[Identifier, str | None]) -> bool:
        if len(ids) == 1 or all(found[identifier] == best for identifier in ids):
            return False
        return self._applier.allowed(Fact(ids)) is not None

    def _remember(self, ids: Identifiers, profile: str) -> None:
        if len(self._known) >= REMEMBERED:
            self.forget()
        self._known[ids] = profile

    def note(self, merges: Iterable[Merge]) -> None:
        """Follow these from now on."""
        for merge in merges:
            self._moved[merge.old] = merge.new
            self._moved.pop(merge.new, None)

    def forget(self) -> None:
        self._known.clear()
        self._moved.clear()
