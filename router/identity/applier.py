"""Applies facts to profiles. Deterministic and total: the same log gives the same profiles everywhere.

A profile is a connected set of identifiers. Its id is the hash of its best identifier: the best kind, then the one that
joined first; so a profile with a user id has that user's own hash, and an identifier that was never linked needs no
record. Limits: one user id a profile (two meet only by alias), five of every other kind, 100 merges, 1,000 identifiers.
Over a limit the lowest identifier of the fact is dropped from matching, and matching is tried again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from router.identity.facts import Fact
from router.identity.identifiers import Identifier, Identifiers, digest, rank

PER_KIND = 5
MERGES = 100
IDENTIFIERS = 1000
_LIMITS = {"user_id": 1}


class Profile(NamedTuple):
    """`since` orders profiles by their first link; `ids` are in the order they joined."""

    since: int
    merges: int
    ids: tuple[Identifier, ...]


class Profiles(Protocol):
    """Where profiles are kept."""

    def profile_of(self, identifier: Identifier) -> str | None:
        """The id of the profile that holds a linked identifier."""

    def profile(self, id_: str) -> Profile: ...

    def replace(self, id_: str, profile: Profile, joined: Iterable[Identifier], gone: Iterable[str]) -> None:
        """Keep `profile` under `id_`; `joined` now point to it; the profiles `gone` are no more."""


class Merge(NamedTuple):
    """Events that carried the profile id `old` belong to `new` from now on."""

    old: str
    new: str
    reason: str  # link | alias
    time_ms: int

    def as_dict(self) -> dict[str, Any]:
        return {"from": self.old, "to": self.new, "reason": self.reason, "time_ms": self.time_ms}


class Join(NamedTuple):
    """What a fact comes to: the profiles it joins, oldest first, and the identifiers that are new.

    `ids` are all identifiers of the outcome in the order they joined, `merges` the merges it has behind it.
    """

    profiles: dict[str, Profile]
    fresh: list[Identifier]
    ids: tuple[Identifier, ...]
    merges: int


def profile_id(identifier: Identifier) -> str:
    """The profile id of an identifier that stands alone."""
    return "p_" + digest(identifier).hex()


class Applier:
    """The rules over a store of profiles."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    def apply(self, fact: Fact, time_ms: int, position: int) -> list[Merge]:
        """Join what the fact says, as far as the rules allow; the merges that follow. Repeats change nothing."""
        if self.strangers(fact.ids):
            return self._introduced(fact.ids, time_ms, position)
        join = self.allowed(fact)
        if join is None:
            return []
        profiles, joined = join.profiles, join.fresh
        new, gone, since = profile_id(min(join.ids, key=rank)), [], position
        if profiles:
            since = min([profile.since for profile in profiles.values()])
            gone = [id_ for id_ in profiles if id_ != new]
            joined = joined + [pair for id_ in gone for pair in profiles[id_].ids]
        self._profiles.replace(new, Profile(since, join.merges, join.ids), joined, gone)
        reason = "alias" if fact.alias else "link"
        alone = [own for own in map(profile_id, join.fresh) if own != new]
        return [Merge(old, new, reason, time_ms) for old in gone + alone]

    def strangers(self, ids: Identifiers) -> bool:
        """Whether these are several, all new and of different kinds: no rule can stand in the way of their link."""
        profile_of = self._profiles.profile_of
        for identifier in ids:
            if profile_of(identifier) is not None:
                return False
        return len({kind for kind, _ in ids}) == len(ids) > 1

    def _introduced(self, ids: Identifiers, time_ms: int, position: int) -> list[Merge]:
        """What `apply` comes to for strangers, as nearly all links are."""
        best = min(ids, key=rank)
        new = profile_id(best)
        self._profiles.replace(new, Profile(position, 0, ids), ids, ())
        return [Merge(profile_id(pair), new, "link", time_ms) for pair in ids if pair is not best]

    def allowed(self, fact: Fact) -> Join | None:
        """What of a fact the rules let join, or None when nothing would change.

        None stays None until an alias comes: profiles only grow, so what passes a limit goes on passing it, but two
        users that an alias made one stand in no link's way any more.
        """
        for size in range(len(fact.ids), 1, -1):
            join = self._join(fact.ids[:size])
            if len(join.profiles) + len(join.fresh) < 2:
                return None
            if _within_limits(join, alias=fact.alias):
                return join
        return None

    def _join(self, ids: Sequence[Identifier]) -> Join:
        found: dict[str, Profile] = {}
        fresh = []
        for identifier in dict.fromkeys(ids):
            id_ = self._profiles.profile_of(identifier)
            if id_ is None:
                fresh.append(identifier)
            elif id_ not in found:
                found[id_] = self._profiles.profile(id_)
        if not found:
            return Join(found, fresh, tuple(fresh), 0)
        if len(found) > 1:
            found = dict(sorted(found.items(), key=lambda item: (item[1].since, item[0])))
        profiles = found.values()
        everyone = tuple([pair for profile in profiles for pair in profile.ids] + fresh)
        return Join(found, fresh, everyone, sum([profile.merges for profile in profiles]) + len(found) - 1)


def _within_limits(join: Join, *, alias: bool) -> bool:
    """Whether the profile that would come out keeps the limits; what one part has already may stay."""
    if len(join.ids) > IDENTIFIERS or join.merges > MERGES:
        return False
    kinds = [kind for kind, _ in join.ids]
    if len(set(kinds)) == len(kinds):
        return True
    for kind, count in Counter(kinds).items():
        if count > _LIMITS.get(kind, PER_KIND) and not (alias and kind == "user_id"):
            most = max([_count(profile, kind) for profile in join.profiles.values()], default=0)
            if count > most:
                return False
    return True


def _count(profile: Profile, kind: str) -> int:
    return sum([own == kind for own, _ in profile.ids])
