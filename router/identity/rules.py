"""The rules of identity as one immutable value: which values may match, how much a profile may join.

Blocked values are decided at extraction, before the log of identity facts: the topology sets them, and a change holds
for events that come after it. What the log says already stays, and workers that still run the old topology append what
they would have appended. All other rules are applied by every worker's replica to every fact, so they must be the same
in all workers for as long as the log lives: they are fixed here, and a change of them has to be a record in the log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from router.config.models import IdentityConfig
from router.events.placeholders import Placeholders

Identifier = tuple[str, str]  # kind, value
Identifiers = tuple[Identifier, ...]
Rank = tuple[int, str]


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """Limits are inclusive. Over one, the lowest identifier of a fact is dropped from matching."""

    placeholders: Placeholders = field(default_factory=Placeholders)
    priority: tuple[str, ...] = ("user_id", "email")  # kinds, best first; all others follow, by name
    kind_limits: tuple[tuple[str, int], ...] = (("user_id", 1),)  # identifiers of a kind in a profile
    other_limit: int = 5  # of every other kind
    profile_merges: int = 100
    profile_identifiers: int = 1000
    event_identifiers: int = 20
    value_characters: int = 500
    kind_characters: int = 100

    @classmethod
    def of(cls, config: IdentityConfig) -> Self:
        """The rules of a topology."""
        return cls(placeholders=config.blocked.placeholders())

    def is_blocked(self, value: str) -> bool:
        """Whether a value names nobody: a placeholder, empty, or too long."""
        return len(value) > self.value_characters or self.placeholders.matches(value)

    def ranking(self) -> Callable[[Identifier], Rank]:
        """The sort key of identifiers, best first."""
        order = {kind: place for place, kind in enumerate(self.priority)}
        last = len(order)

        def rank(identifier: Identifier) -> Rank:
            kind = identifier[0]
            return order.get(kind, last), kind

        return rank
