"""From the identifiers of events to their profiles, with a memory of those seen lately before the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, repeat

from router.identity.facts import Fact
from router.identity.graph import IdentityGraph
from router.identity.rules import Identifiers
from router.identity.store import IdentityStore, Merge

REMEMBERED = 200_000
Places = dict[Identifiers, list[int]]  # of identifiers in a batch


class Resolver:
    """Remembers identifiers that needed no link. Profiles only grow, so that stays true; merges are followed. A link
    that the rules refused is considered again after an alias, which alone can bring two users together.
    """

    def __init__(self, graph: IdentityGraph, store: IdentityStore, remembered: int = REMEMBERED) -> None:
        self._graph = graph
        self._store = store
        self._most = remembered
        self._known: dict[Identifiers, str] = {}
        self._refused: list[Identifiers] = []
        self._moved: dict[str, str] = {}
        self._forgot = False  # since the last look-up

    def resolve_many(self, wanted: Sequence[Identifiers]) -> tuple[list[str], Places]:
        """The profile id of each, and those that want a link, with their places in `wanted`: their identifiers are not
        yet in one profile, and the rules would let them be. None of `wanted` may be empty.
        """
        self._forgot = False
        profiles = list(map(self._known.get, wanted, repeat("")))
        if not self._moved.keys().isdisjoint(profiles):
            self._follow(wanted, profiles)
        if "" not in profiles:
            return profiles, {}
        missed: Places = defaultdict(list)
        for place, profile in enumerate(profiles):
            if not profile:
                missed[wanted[place]].append(place)
        return profiles, self._look(missed, profiles)

    def resolve_linked(self, wanted: Sequence[Identifiers], profiles: list[str], linked: Places) -> None:
        """Bring the answer of `resolve_many` up to date once the links that it wanted were applied."""
        if not self._forgot:
            self._look(linked, profiles)
        if self._forgot:
            profiles[:], _ = self.resolve_many(wanted)
        elif not self._moved.keys().isdisjoint(profiles):
            self._follow(wanted, profiles)

    def _follow(self, wanted: Sequence[Identifiers], profiles: list[str]) -> None:
        moved = self._moved
        for place, profile in enumerate(profiles):
            if profile in moved:
                while profile in moved:
                    profile = moved[profile]
                profiles[place] = self._known[wanted[place]] = profile

    def _look(self, missed: Places, profiles: list[str]) -> Places:
        """Fill in what memory did not have; returns what wants a link."""
        found = self._store.profiles_of(chain.from_iterable(missed))
        wanting: Places = {}
        for ids, places in missed.items():
            best = found[ids[0]]
            for place in places:
                profiles[place] = best
            one = len({*map(found.get, ids)}) == 1
            if not one and (self._graph.are_unlinked(ids) or self._graph.allowed(Fact(ids)) is not None):
                wanting[ids] = places
            else:
                self._remember(ids, best, refused=not one)
        return wanting

    def _remember(self, ids: Identifiers, profile: str, *, refused: bool) -> None:
        if len(self._known) >= self._most:
            self.forget()
        self._known[ids] = profile
        if refused:
            self._refused.append(ids)

    def note(self, merges: Sequence[Merge]) -> None:
        """Follow these from now on. With nothing remembered there is nothing to follow: reading a long log costs no
        memory.
        """
        if not self._known:
            return
        self._moved |= {old: new for old, new, _, _ in merges}
        if len(self._moved) > self._most:
            self.forget()
        elif self._refused and any(merge.reason == "alias" for merge in merges):
            for ids in self._refused:
                self._known.pop(ids, None)
            self._refused.clear()

    def forget(self) -> None:
        self._forgot = True
        self._known.clear()
        self._refused.clear()
        self._moved.clear()
