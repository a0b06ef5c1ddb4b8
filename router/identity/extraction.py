"""The identifiers that an event carries, best first: userId, email, then the other kinds by name.

Blocked values are left out of matching and stay in the event. Pure; `pair` is remembered, since devices come again.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from router.identity.rules import Identifier, Identifiers, IdentityRules

REMEMBERED = 65_536  # pairs of userId and anonymousId

Body = dict[str, Any]


class Extraction:
    """The rules applied to the bodies of events. `pair(user, anonymous)` has the identifiers of an event that names no
    others, possibly none.
    """

    def __init__(self, rules: IdentityRules) -> None:
        self._rules = rules
        self._rank = rules.ranking()
        self.is_blocked = rules.is_blocked
        self.pair = lru_cache(maxsize=REMEMBERED)(self._pair)

    def identifiers(self, body: Body) -> Identifiers:
        """Kinds and values, each once; an event that names nobody is a profile of its own."""
        traits = body.get("traits") if body["type"] == "identify" else None
        context = body.get("context")
        if traits or (context and ("traits" in context or "externalIds" in context)):
            found = self._all(body.get("userId"), body.get("anonymousId"), traits or {}, context or {})
        else:
            found = self.pair(body.get("userId"), body.get("anonymousId"))
        return found or (("message", body["messageId"]),)

    def _pair(self, user: str | None, anonymous: str | None) -> Identifiers:
        blocked = self.is_blocked
        if user and not blocked(user):
            if anonymous and not blocked(anonymous):
                return ("user_id", user), ("anonymous_id", anonymous)
            return (("user_id", user),)
        return (("anonymous_id", anonymous),) if anonymous and not blocked(anonymous) else ()

    def _all(self, user: Any, anonymous: Any, traits: Body, context: Body) -> Identifiers:
        found: list[Identifier] = [("user_id", user), ("anonymous_id", anonymous)]
        found.append(("email", _trait("email", traits, context).lower()))
        found.append(("phone", _trait("phone", traits, context)))
        external = context.get("externalIds")
        if isinstance(external, list):
            found += [self._external(item) for item in external[: self._rules.event_identifiers]]
        usable = [pair for pair in found if isinstance(pair[1], str) and not self.is_blocked(pair[1])]
        users = [pair for pair in usable if pair[0] == "user_id"]
        others = {pair for pair in usable if pair[0] != "user_id"}
        # One event has one user: another user id beside its own would let none of its identifiers match.
        ordered = sorted(others, key=lambda pair: (self._rank(pair), pair[1]))
        return (*users[:1], *ordered)[: self._rules.event_identifiers]

    def _external(self, item: Any) -> Identifier:
        """An item of `context.externalIds`; a blocked value where it is not one of a user."""
        if not isinstance(item, dict):
            return "", ""
        kind, value = item.get("type"), item.get("id")
        if not isinstance(kind, str) or not isinstance(value, str) or item.get("collection", "users") != "users":
            return "", ""
        return (kind, value) if 0 < len(kind) <= self._rules.kind_characters else ("", "")


def _trait(name: str, traits: Body, context: Body) -> str:
    """A trait of the call, else of the context."""
    shared = context.get("traits")
    for place in (traits, shared if isinstance(shared, dict) else {}):
        value = place.get(name)
        if isinstance(value, str) and value:
            return value.strip()
    return ""
