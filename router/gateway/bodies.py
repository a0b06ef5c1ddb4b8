"""Request bodies as items, by the reader of all messages: one event, a batch, a list, or several lines.

An item that alone is unreadable is an `Invalid` among the others. The bytes of an item are looked up when asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from router.events.damaged_batch import cut
from router.events.event import Body, Invalid
from router.events.parser import Repairs, has_long_digits
from router.events.reader import InputItem, batch_items, merged, read


class Items:
    """`values` are parsed items or `Invalid`; `envelope` is the batch body they all came in, empty without one.

    `alone`: the body is one JSON object and that is the event. `repairs` counts what the reader put right.
    """

    def __init__(self, body: bytes, items: list[InputItem], repairs: Repairs | None = None) -> None:
        self.repairs = Repairs() if repairs is None else repairs
        self.envelope: Body = items[0].envelope if items else {}
        self.values: list[Any] = [item.value for item in items]
        if any(item.envelope is not self.envelope for item in items):
            self.envelope = {}
            self.values = [merged(item.value, item.envelope) for item in items]
        self.alone = len(items) == 1 and not items[0].path
        self._body = body
        self._items: Sequence[InputItem] = items
        self._pieces: list[bytes] | None = None

    @classmethod
    def whole(cls, body: bytes, values: list[Any], envelope: Body, *, alone: bool) -> Items:
        """Of a body that was parsed as one JSON text, with nothing to put right: as nearly all are."""
        found = cls.__new__(cls)
        found.repairs, found.envelope, found.values, found.alone = Repairs(), envelope, values, alone
        found._body, found._items, found._pieces = body, (), None
        return found

    def raw(self, index: int | None) -> bytes:
        """The bytes of an item as they came; the whole body's when it is the item, or when they cannot be told."""
        if index is None:
            return self._body
        own = self._items[index].raw if self._items else None
        if own is not None:
            return own
        if self._pieces is None:
            found = cut(self._body)
            self._pieces = found.items if found and len(found.items) == len(self.values) else []
        return self._pieces[index] if self._pieces else self._body


def single(body: bytes, longest_damaged: int = 0) -> Items | str:
    """The events of a body that is meant to be one event, or why it cannot be read.

    Of more than `longest_damaged` bytes, a body that is not JSON is not looked into.
    """
    value = _parsed(body)
    if type(value) is not dict:
        return _read(body, longest_damaged)
    return Items.whole(body, [value], {}, alone=True)


def batch(body: bytes, longest_damaged: int) -> Items | str:
    """The items of a batch body, or why there are none."""
    parsed = _parsed(body)
    if type(parsed) is dict and type(parsed.get("batch")) is list and parsed["batch"]:
        return Items.whole(body, parsed["batch"], parsed, alone=False)
    items = _read(body, longest_damaged)
    if isinstance(items, Items) and items.alone:
        value = items.values[0]
        if type(value.get("batch")) is list:  # here it is a batch, whatever its `type` says
            return _items(body, list(batch_items(value, body)), items.repairs)
        if "type" not in value:
            return "batch_not_list"
    return items


def _parsed(body: bytes) -> Any:
    """The value of a body; None where it needs a closer look."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return None if has_long_digits(body) else value


def _read(body: bytes, longest_damaged: int) -> Items | str:
    repairs = Repairs()
    return _items(body, read(body, repairs, longest_damaged), repairs)


def _items(body: bytes, items: list[InputItem], repairs: Repairs) -> Items | str:
    if not items:
        return "empty"
    if len(items) == 1 and isinstance(items[0].value, Invalid):
        return items[0].value.reason
    return Items(body, items, repairs)
