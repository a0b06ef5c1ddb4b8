"""Values in the shape that a partner takes: nothing empty, nothing nested, nothing too long, snake case."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W_A-Z]+")


def present(value: Mapping[str, Any]) -> dict[str, Any]:
    """Without None, empty text and empty objects, at any depth of objects. Most partners take null for "unset"."""
    kept = {name: present(one) if isinstance(one, dict) else one for name, one in value.items()}
    return {name: one for name, one in kept.items() if one is not None and one != "" and one != {}}


def flat(value: Mapping[str, Any], separator: str = "_", prefix: str = "") -> dict[str, Any]:
    """Nested objects as names joined by the separator; lists stay."""
    out: dict[str, Any] = {}
    for name, one in value.items():
        joined = f"{prefix}{name}"
        out |= flat(one, separator, joined + separator) if isinstance(one, dict) else {joined: one}
    return out


def scalar(value: Any) -> Any:
    """Text, numbers and booleans as they are, anything else as JSON text."""
    return value if value is None or isinstance(value, str | int | float | bool) else orjson.dumps(value).decode()


def json_bytes(value: Any) -> bytes:
    """A value as JSON; whole numbers of any length and halves of a character too."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def cut(text: str, size: int) -> str:
    """At most so many bytes of UTF-8, no character torn."""
    return text.encode()[:size].decode(errors="ignore")


def snake(name: str) -> str:
    """`Order Completed`, `orderCompleted` and `order-completed` alike: `order_completed`."""
    return "_".join(_WORDS.findall(name)).lower()
