"""Request bodies as items: one event, or a batch with what it says for all of its items.

An item that alone is unreadable is an `Invalid` among the others. The bytes of an item are looked up when asked for.
"""

from __future__ import annotations

from typing import Any

import orjson

from router.events.damaged_batch import cut
from router.events.event import Body, Invalid, json_reason


class Items:
    """`values` are parsed items or `Invalid`; `envelope` is the batch body, empty for a single event."""

    def __init__(self, body: bytes, values: list[Any], envelope: Body, pieces: list[bytes] | None = None) -> None:
        self.values = values
        self.envelope = envelope
        self._body = body
        self._pieces = pieces

    def raw(self, index: int | None) -> bytes:
        """The bytes of an item as they came; the whole body's when it is the item, or when they cannot be told."""
        if index is None:
            return self._body
        if self._pieces is None:
            found = cut(self._body)
            self._pieces = found.items if found and len(found.items) == len(self.values) else []
        return self._pieces[index] if self._pieces else self._body


def single(body: bytes) -> Items | str:
    """The one event of a body, or why it cannot be read."""
    try:
        return Items(body, [orjson.loads(body)], {})
    except orjson.JSONDecodeError:
        return unreadable(body)


def batch(body: bytes, salvage_bytes: int) -> Items | str:
    """The items of a batch body, or why there are none. A body of up to `salvage_bytes` is cut when it is not JSON."""
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError:
        return (_salvaged(body) if len(body) <= salvage_bytes else None) or unreadable(body)
    if type(envelope) is not dict:
        return "not_object"
    values = envelope.get("batch")
    if type(values) is not list:
        return "batch_not_list"
    return Items(body, values, envelope) if values else "empty"


def _salvaged(body: bytes) -> Items | None:
    pieces = cut(body)
    if not pieces or not pieces.items:
        return None
    try:
        envelope = orjson.loads(pieces.envelope)
    except orjson.JSONDecodeError:
        return None
    return Items(body, [_loaded(piece) for piece in pieces.items], envelope, pieces.items)


def _loaded(piece: bytes) -> Any:
    try:
        return orjson.loads(piece)
    except orjson.JSONDecodeError:
        return Invalid(json_reason(piece), piece)


def unreadable(body: bytes) -> str:
    """Why a body is no JSON."""
    return json_reason(body) if body else "empty"
