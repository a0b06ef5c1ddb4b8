"""The identity graph: facts join identifiers to profiles. Deterministic and total: one log, the same profiles.

A profile is a connected set of identifiers. Its id is the hash of its best identifier: the best kind, then the one that
joined first; so a profile with a user id has that user's own hash, and an identifier that was never linked needs no
record. Over a limit the lowest identifier of the fact is dropped from matching, and matching is tried again; two user
ids meet only by an alias.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from router.identity.facts import Fact
from router.identity.rules import Identifier, Identifiers, IdentityRules
from router.identity.store import IdentityStore, Merge, Profile, profile_id


class Join(NamedTuple):
    """What a fact would join: the profiles, oldest first, and the identifiers that are in none yet.

    `ids` are all identifiers of the outcome in the order they joined, `merges` the merges it has behind it.
    """

    profiles: dict[str, Profile]
    fresh: list[Identifier]
    ids: Identifiers
    merges: int


class IdentityGraph:
    """The rules over a store of profiles."""

    def __init__(self, store: IdentityStore, rules: IdentityRules) -> None:
        self._store = store
        self._rank = rules.ranking()
        self._best_kind = rules.priority[0]
        self._most_merges = rules.profile_merges
        self._most_identifiers = rules.profile_identifiers
        self._limits = dict(rules.kind_limits)
        self._other_limit = rules.other_limit

    def apply(self, fact: Fact, time_ms: int, position: int) -> list[Merge]:
        """Join what the fact says, as far as the rules allow; returns the merges. Repeats change nothing."""
        if self.are_unlinked(fact.ids):
            return self._new_profile(fact.ids, time_ms, position)
        join = self.allowed(fact)
        if join is None:
            return []
        profiles, joined = join.profiles, join.fresh
        new, removed, since = profile_id(self._best(join.ids)), [], position
        if profiles:
            since = min([profile.since for profile in profiles.values()])
            removed = [id_ for id_ in profiles if id_ != new]
            joined = joined + [pair for id_ in removed for pair in profiles[id_].ids]
        alone = [own for own in map(self._store.profile_of, join.fresh) if own != new]
        self._store.replace(new, Profile(since, join.merges, join.ids), joined, removed)
        reason = "alias" if fact.alias else "link"
        return [Merge(old, new, reason, time_ms) for old in removed + alone]

    def are_unlinked(self, ids: Identifiers) -> bool:
        """Whether these are several, all new and of different kinds: no rule can forbid their link."""
        return self._store.are_alone(ids) and len(dict(ids)) == len(ids) > 1

    def _new_profile(self, ids: Identifiers, time_ms: int, position: int) -> list[Merge]:
        """The outcome of `apply` for unlinked identifiers, the case of nearly all links."""
        profile_of = self._store.profile_of
        best = self._best(ids)
        new = profile_of(best)
        merges = [Merge(profile_of(pair), new, "link", time_ms) for pair in ids if pair is not best]
        self._store.replace(new, Profile(position, 0, ids), ids, ())
        return merges

    def _best(self, ids: Identifiers) -> Identifier:
        """The one of the best kind; of several, the first."""
        return ids[0] if ids[0][0] == self._best_kind else min(ids, key=self._rank)

    def allowed(self, fact: Fact) -> Join | None:
        """What of a fact the rules let join, or None when nothing would change.

        None stays None until an alias comes: profiles only grow, so a limit once passed stays passed, but two users
        that an alias joined no longer forbid a link.
        """
        for size in range(len(fact.ids), 1, -1):
            join = self._join(fact.ids[:size])
            if len(join.profiles) + len(join.fresh) < 2:
                return None
            if self._is_within_limits(join, alias=fact.alias):
                return join
        return None

    def _join(self, ids: Sequence[Identifier]) -> Join:
        found: dict[str, Profile] = {}
        fresh = []
        for identifier in dict.fromkeys(ids):
            if self._store.are_alone((identifier,)):
                fresh.append(identifier)
            elif (id_ := self._store.profile_of(identifier)) not in found:
                found[id_] = self._store.profile(id_)
        if not found:
            return Join(found, fresh, tuple(fresh), 0)
        if len(found) > 1:
            found = dict(sorted(found.items(), key=lambda item: (item[1].since, item[0])))
        profiles = found.values()
        everyone = tuple([pair for profile in profiles for pair in profile.ids] + fresh)
        return Join(found, fresh, everyone, sum([profile.merges for profile in profiles]) + len(found) - 1)

    def _is_within_limits(self, join: Join, *, alias: bool) -> bool:
        """Whether the resulting profile keeps the limits; what one of its parts exceeds already may stay."""
        if len(join.ids) > self._most_identifiers or join.merges > self._most_merges:
            return False
        kinds = [kind for kind, _ in join.ids]
        if len(set(kinds)) == len(kinds):
            return True
        for kind, count in Counter(kinds).items():
            if count > self._limits.get(kind, self._other_limit) and not (alias and kind == "user_id"):
                most = max([_count(profile, kind) for profile in join.profiles.values()], default=0)
                if count > most:
                    return False
        return True


def _count(profile: Profile, kind: str) -> int:
    return sum([own == kind for own, _ in profile.ids])
