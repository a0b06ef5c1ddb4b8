"""The identifiers of an event, best first: userId, email, then the other kinds by name.

Values that stand for nobody are ignored for matching and stay in the event: zeros and dashes, and the placeholders that
Segment and PostHog block by default.
"""

from __future__ import annotations

from typing import Any

from router.event import Body

Identifier = tuple[str, str]  # kind, value
Identifiers = tuple[Identifier, ...]

MOST = 20  # of one event
LONGEST = 500  # characters of a value
_PRIORITY = {"user_id": 0, "email": 1}
_ANY_CASE = frozenset(
    (
        *("anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email"),
        *("undefined", "true", "false", "null", "none", "nan"),
    )
)
_EXACT = frozenset(("[object Object]", "-1", "0", "NaN", "None", "none", "null", "undefined"))
_LONGEST_WORD = 24


def is_nobody(value: str) -> bool:
    """Whether a value is a placeholder."""
    if len(value) > _LONGEST_WORD and value[0] not in "0-":
        return len(value) > LONGEST
    bare = value.strip().strip("\"'")
    return not bare.strip("0-") or bare in _EXACT or bare.lower() in _ANY_CASE or len(value) > LONGEST


def rank(identifier: Identifier) -> tuple[int, str]:
    """Priority of a kind: lower is better."""
    kind = identifier[0]
    return _PRIORITY.get(kind, 2), kind


def identifiers(body: Body) -> Identifiers:
    """Kinds and values, best first, each once."""
    user, anonymous = body.get("userId"), body.get("anonymousId")
    context = body.get("context")
    traits = body.get("traits") if body["type"] == "identify" else None
    if context and ("traits" in context or "externalIds" in context):
        return _all(user, anonymous, traits or context.get("traits"), context.get("externalIds"))
    if traits:
        return _all(user, anonymous, traits, None)
    if user and not is_nobody(user):
        if anonymous and not is_nobody(anonymous):
            return ("user_id", user), ("anonymous_id", anonymous)
        return (("user_id", user),)
    return (("anonymous_id", anonymous),) if anonymous and not is_nobody(anonymous) else ()


def _all(user: Any, anonymous: Any, traits: Any, external: Any) -> Identifiers:
    found: list[Identifier] = [("user_id", user), ("anonymous_id", anonymous)]
    if isinstance(traits, dict):
        email, phone = traits.get("email"), traits.get("phone")
        found.append(("email", email.strip().lower() if isinstance(email, str) else ""))
        found.append(("phone", phone.strip() if isinstance(phone, str) else ""))
    if isinstance(external, list):
        found += [_external(item) for item in external[:MOST] if isinstance(item, dict)]
    usable = {pair for pair in found if isinstance(pair[1], str) and pair[1] and not is_nobody(pair[1])}
    return tuple(sorted(usable, key=lambda pair: (rank(pair), pair[1]))[:MOST])


def _external(item: dict[str, Any]) -> Identifier:
    kind, value = item.get("type"), item.get("id")
    if not isinstance(kind, str) or not isinstance(value, str) or item.get("collection", "users") != "users":
        return "", ""
    return (kind, value) if 0 < len(kind) <= 100 else ("", "")
