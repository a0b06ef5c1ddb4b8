"""How an id stands in the bytes of an event, and whether it really is one of the event's ids. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from router.events.event import Body
from router.identity import Identifier
from router.trace.records import text_id

_PERSON = ("userId", "anonymousId", "profileId")
_KINDS = ("user_id", "anonymous_id")


def needles(id_: str) -> list[bytes]:
    """Bytes of which one is in every JSON text that holds the id: producers escape in different ways, and an id that is
    a whole number may stand there as a number.
    """
    if id_.isascii() and id_.isdigit():
        return [id_.encode()]
    spelled = {json.dumps(id_), json.dumps(id_, ensure_ascii=False), json.dumps(id_).replace("/", "\\/")}
    return sorted(text.encode("utf-8", "surrogatepass") for text in spelled)


def holds(found: Iterable[bytes], value: bytes | None) -> bool:
    """Whether one of the needles is in there."""
    return value is not None and any(map(partial(_inside, value), found))


def _inside(value: bytes, needle: bytes) -> bool:
    return needle in value


def is_email(id_: str) -> bool:
    return "@" in id_[1:-1] and " " not in id_


def identifiers(id_: str) -> list[Identifier]:
    """What the id may be to the identity graph."""
    others: list[Identifier] = [(kind, id_) for kind in _KINDS]
    return [("email", id_.lower()), *others] if is_email(id_) else others


def names_event(body: Body, id_: str) -> bool:
    return text_id(body.get("messageId")) == id_


def names_person(body: Body, id_: str) -> bool:
    """Whether the event is of this user id, anonymous id, profile id or e-mail address."""
    if any(text_id(body.get(name)) == id_ for name in _PERSON):
        return True
    return is_email(id_) and any(one.strip().lower() == id_.lower() for one in _emails(body))


def _emails(body: Body) -> Iterator[str]:
    context = body.get("context")
    for traits in (body.get("traits"), context.get("traits") if isinstance(context, dict) else None):
        value: Any = traits.get("email") if isinstance(traits, dict) else None
        if isinstance(value, str):
            yield value
