"""Reading what partners post: values of any type where a text was meant, nulls, blanks, missing objects. Total."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl

import orjson

from router.events.event import Body
from router.events.parser import encode

_LONGEST_ID = 100  # characters of a messageId
_HASH_BYTES = 16


def text(value: Any) -> str:
    """A text without blanks around it, a whole number as text; empty for anything else."""
    if type(value) is str:
        return value.strip()
    return str(value) if type(value) is int else ""


def dig(value: Any, *names: str, kind: type = object) -> Any:
    """What lies at the end of these names, if it is of the kind; else an empty one (None for any kind)."""
    for name in names:
        value = value.get(name) if type(value) is dict else None
    return value if isinstance(value, kind) else kind() if kind is not object else None


def first(*values: Any) -> str:
    """The first that is a text and not empty."""
    return next(filter(None, map(text, values)), "")


def filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without nulls, empty texts, empty lists and empty objects."""
    return {name: value for name, value in values.items() if value is not None and value not in ("", [], {})}


def chosen(item: Body, *names: str) -> dict[str, Any]:
    """The fields of these names that are there."""
    return {name: item[name] for name in names if name in item}


def id_of(partner: str, event_id: str, item: Any, number: int = 0) -> str:
    """The messageId: of the partner's own id, or of all that the item says. Further calls of one item have a number."""
    written = event_id or "#" + digest(item)
    if number:
        written += f"/{number}"
    if len(partner) + 1 + len(written) > _LONGEST_ID:
        written = digest(written)
    return f"{partner}:{written}"


def digest(value: Any) -> str:
    """32 hex digits of a JSON value, whatever the order of its keys."""
    try:
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a whole number beyond 64 bits
        data = encode(value)
    return blake2b(data, digest_size=_HASH_BYTES).hexdigest()


def form_of(body: bytes) -> dict[str, str]:
    """The fields of an HTML form; of two with one name the later."""
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
