"""The identifiers of an event, best first: userId, email, then the other kinds by name.

Values that stand for nobody are ignored for matching and stay in the event: zeros and dashes, and the placeholders that
Segment and PostHog block by default.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any

from router.events.event import Body

Identifier = tuple[str, str]  # kind, value
Identifiers = tuple[Identifier, ...]

MOST = 20  # of one event
LONGEST = 500  # characters of a value
LONGEST_KIND = 100
_PRIORITY = {"user_id": 0, "email": 1}
_ANY_CASE = frozenset(
    (
        *("anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email"),
        *("undefined", "true", "false", "null", "none", "nan"),
    )
)
_EXACT = frozenset(("[object Object]", "-1"))
_LONGEST_WORD = 24
_QUOTES = "\"'"


def is_nobody(value: str) -> bool:
    """Whether a value is a placeholder, empty, or too long to name anybody."""
    if len(value) > _LONGEST_WORD and value[0].isalnum() and value[0] != "0":
        return len(value) > LONGEST
    bare = value.strip().strip(_QUOTES).strip()
    return not bare.strip("0-") or bare in _EXACT or bare.lower() in _ANY_CASE or len(value) > LONGEST


@lru_cache(maxsize=8192)  # a new link needs it six times
def digest(identifier: Identifier) -> bytes:
    """16 bytes that stand for an identifier; no two identifiers are spelled alike."""
    kind, value = identifier
    return blake2b(f"{len(kind)}:{kind}{value}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def rank(identifier: Identifier) -> tuple[int, str]:
    """Priority of a kind: lower is better."""
    kind = identifier[0]
    return _PRIORITY.get(kind, 2), kind


def identifiers(body: Body) -> Identifiers:
    """Kinds and values, best first, each once."""
    user, anonymous = body.get("userId"), body.get("anonymousId")
    traits = body.get("traits") if body["type"] == "identify" else None
    context = body.get("context")
    if traits or (context and ("traits" in context or "externalIds" in context)):
        return _all(user, anonymous, traits or {}, context or {})
    return pair(user, anonymous)


@lru_cache(maxsize=65_536)  # devices come again
def pair(user: str | None, anonymous: str | None) -> Identifiers:
    """The identifiers of an event that names no others."""
    if user and not is_nobody(user):
        if anonymous and not is_nobody(anonymous):
            return ("user_id", user), ("anonymous_id", anonymous)
        return (("user_id", user),)
    return (("anonymous_id", anonymous),) if anonymous and not is_nobody(anonymous) else ()


def _all(user: Any, anonymous: Any, traits: Body, context: Body) -> Identifiers:
    found: list[Identifier] = [("user_id", user), ("anonymous_id", anonymous)]
    found.append(("email", _trait("email", traits, context).lower()))
    found.append(("phone", _trait("phone", traits, context)))
    external = context.get("externalIds")
    if isinstance(external, list):
        found += [_external(item) for item in external[:MOST] if isinstance(item, dict)]
    usable = [pair for pair in found if isinstance(pair[1], str) and not is_nobody(pair[1])]
    users = [pair for pair in usable if pair[0] == "user_id"]
    others = {pair for pair in usable if pair[0] != "user_id"}
    # One event has one user: another user id beside its own would let none of its identifiers match.
    return (*users[:1], *sorted(others, key=lambda pair: (rank(pair), pair[1])))[:MOST]


def _trait(name: str, traits: Body, context: Body) -> str:
    """A trait of the call, else of the context."""
    shared = context.get("traits")
    for place in (traits, shared if isinstance(shared, dict) else {}):
        value = place.get(name)
        if isinstance(value, str) and value:
            return value.strip()
    return ""


def _external(item: dict[str, Any]) -> Identifier:
    kind, value = item.get("type"), item.get("id")
    if not isinstance(kind, str) or not isinstance(value, str) or item.get("collection", "users") != "users":
        return "", ""
    return (kind, value) if 0 < len(kind) <= LONGEST_KIND else ("", "")
