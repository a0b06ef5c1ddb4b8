"""Applies facts to profiles. Deterministic and total: the same log gives the same profiles everywhere.

A profile is a connected set of identifiers. Its id is the hash of its best identifier: the best kind, then the one that
joined first; so a profile with a user id has that user's own hash, and an identifier that was never linked needs no
record. Limits: one user id a profile (two meet only by alias), five of every other kind, 100 merges, 1,000 identifiers.
Over a limit the lowest identifier of the fact is dropped from matching, and matching is tried again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

from router.identity.facts import Fact
from router.identity.identifiers import Identifier, rank

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


@dataclass(frozen=True, slots=True)
class Merge:
    """Events that carried the profile id `old` belong to `new` from now on."""

    old: str
    new: str
    reason: str  # link | alias
    time_ms: int

    def as_dict(self) -> dict[str, Any]:
        return {"from": self.old, "to": self.new, "reason": self.reason, "time_ms": self.time_ms}


class _Join(NamedTuple):
    """What a fact comes to: the profiles it touches, oldest first, and the identifiers that are new."""

    profiles: dict[str, Profile]
    fresh: tuple[Identifier, ...]

    def changes(self) -> bool:
        return len(self.profiles) + len(self.fresh) > 1 and (len(self.profiles) > 1 or bool(self.fresh))

    def ids(self) -> tuple[Identifier, ...]:
        return (*(pair for profile in self.profiles.values() for pair in profile.ids), *self.fresh)


def profile_id(identifier: Identifier) -> str:
    """The profile id of an identifier that stands alone."""
    kind, value = identifier
    return "p_" + blake2b(f"{kind}\0{value}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Applier:
    """The rules over a store of profiles."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    def apply(self, fact: Fact, time_ms: int, position: int) -> list[Merge]:
        """Join what the fact says, as far as the rules allow; the merges that follow. Repeats change nothing."""
        join = self.allowed(fact)
        if join is None:
            return []
        ids = join.ids()
        new = profile_id(min(ids, key=lambda pair: rank(pair)[0:2]))
        profiles = list(join.profiles.values())
        merges = sum(profile.merges for profile in profiles) + max(0, len(profiles) - 1)
        since = profiles[0].since if profiles else position
        gone = [id_ for id_ in join.profiles if id_ != new]
        joined = ids if gone else join.fresh
        self._profiles.replace(new, Profile(since, merges, ids), joined, gone)
        reason = "alias" if fact.alias else "link"
        alone = [own for own in map(profile_id, join.fresh) if own != new]
        return [Merge(old, new, reason, time_ms) for old in (*gone, *alone)]

    def allowed(self, fact: Fact) -> _Join | None:
        """What of a fact the rules let join, or None when nothing would change."""
        ids = self._previous(fact) if fact.alias else fact.ids
        for size in range(len(ids), 1, -1):
            join = self._join(ids[:size])
            if not join.changes():
                return None
            if _within_limits(join, alias=fact.alias):
                return join
        return None

    def _previous(self, fact: Fact) -> tuple[Identifier, ...]:
        """An alias's previous id is an anonymous one where it is known as such, or not known as a user's."""
        user, old_user, old_device = fact.ids
        if self._profiles.profile_of(old_user) and not self._profiles.profile_of(old_device):
            return user, old_user
        return user, old_user, old_device

    def _join(self, ids: Sequence[Identifier]) -> _Join:
        found: dict[str, Profile] = {}
        fresh = []
        for identifier in dict.fromkeys(ids):
            id_ = self._profiles.profile_of(identifier)
            if id_ is None:
                fresh.append(identifier)
            elif id_ not in found:
                found[id_] = self._profiles.profile(id_)
        return _Join(dict(sorted(found.items(), key=lambda item: (item[1].since, item[0]))), tuple(fresh))


def _within_limits(join: _Join, *, alias: bool) -> bool:
    """Whether the profile that would come out keeps the limits; what one part has already may stay."""
    profiles = join.profiles.values()
    ids = join.ids()
    if len(ids) > IDENTIFIERS or sum(p.merges for p in profiles) + len(profiles) - 1 > MERGES:
        return False
    most: Counter[str] = Counter()
    for profile in profiles:
        most |= Counter(kind for kind, _ in profile.ids)
    for kind, count in Counter(kind for kind, _ in ids).items():
        if count > max(_LIMITS.get(kind, PER_KIND), most[kind]) and not (alias and kind == "user_id"):
            return False
    return True
