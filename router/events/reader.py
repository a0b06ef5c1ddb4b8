"""The one reader of what people send: one event, several lines, a list, a batch body, or JSON joined to JSON.

The gateway, the route agents, `router send`, `router plan check` and `router plan infer` all read with it. It is total:
whatever the bytes are, each item becomes parsed JSON or an `Invalid` with a reason, and a bad item never condemns its
neighbours. Damaged text is cut at brackets and at newlines, which JSON never has inside a text; time is linear in the
bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from itertools import islice
from typing import Any, NamedTuple

import orjson

from router.events.damaged_batch import Brackets, cut
from router.events.event import Body, Invalid, Limits
from router.events.parser import BYTE_ORDER_MARK, JsonError, Repairs, encode, has_long_digits, parse, parse_exactly

_EMPTY: Body = {}
_LEAST_OF_A_KEY = 4  # bytes: "":0
_SPACE = re.compile(rb"\s*")
_BLANK = re.compile(rb"[ \t\r]*")
_RECORD = re.compile(rb"\n\{[^\n]*\}\s*(?:\n|\Z)")  # a line that is an object by its looks
_JUNCTION = re.compile(rb"\}[ \t\r]*(?=\{)")
_MOST_JUNCTIONS = 20  # tried for one broken line


class InputItem(NamedTuple):
    """One item: `value` is parsed JSON or an `Invalid`, `envelope` the batch body it came in (empty without one).

    `line` is the line at which its JSON begins, counted from 1, and `path` its place in there: an index in a list, or
    `batch` and an index. `raw` is the bytes it came as; None where it was parsed as a part of something larger.
    """

    value: Any
    envelope: Body
    line: int
    path: tuple[str | int, ...]
    raw: bytes | None


def read(data: bytes, repairs: Repairs, longest_damaged: int | None = None) -> list[InputItem]:
    """The items of a message, a request body or a file. Empty only for a batch or list without items, or blank data.

    Of more than `longest_damaged` bytes, what is not JSON as a whole is one `Invalid`.
    """
    data = _without_frame(data)
    try:
        value: Any = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _closer_look(data, repairs, longest_damaged)
    if has_long_digits(data):
        try:
            value = parse_exactly(data, repairs)
        except JsonError:
            return _closer_look(data, repairs, longest_damaged)
    return list(_items(value, data, 1, repairs))


def split(value: bytes | None, limits: Limits, repairs: Repairs) -> list[Body | Invalid]:
    """The items of a message within the limits, batch-level fields merged into them; shapes are not yet checked."""
    if not value:
        return [Invalid("empty", b"")]
    if value[0] == 0 and value[5:6] not in (b"{", b"["):
        return [Invalid("binary_frame", value)]
    items = read(value, repairs)
    if not items:
        return [Invalid("empty", value)]
    if len(value) > limits.batch_bytes and (len(items) > 1 or items[0].path):
        return [Invalid("batch_too_large", value)]
    return [_within_limits(item, value, limits) for item in items]


def _within_limits(item: InputItem, message: bytes, limits: Limits) -> Body | Invalid:
    if isinstance(item.value, Invalid):
        return item.value
    value = merged(item.value, item.envelope)
    return limited(value, message if item.raw is None else item.raw, limits, of_batch=item.raw is None)


def merged(item: Any, batch: Body) -> Any:
    """The item with what the batch says for all of its items; the item's own word wins, key by key."""
    if type(item) is not dict or not batch:
        return item
    for field in ("sentAt", "writeKey"):
        if field in batch and field not in item:
            item[field] = batch[field]
    for field in ("context", "integrations"):
        shared, own = batch.get(field), item.get(field)
        if type(shared) is dict and (own is None or own == [] or type(own) is dict):
            item[field] = {**deepcopy(shared), **(own or {})}
    return item


def limited(item: Any, raw: bytes, limits: Limits, *, of_batch: bool = False) -> Body | Invalid:
    """The item, or why it is over a limit. Counting bytes is a cheap upper bound that clears nearly every event."""
    if of_batch and (type(item) is not dict or len(raw) > limits.event_bytes):
        try:
            raw = encode(item)
        except TypeError:
            return Invalid("too_deep", raw)
    if type(item) is not dict:
        return Invalid("not_object", raw)
    if "payload" in item and "schema" in item and len(item) == 2:
        return Invalid("connect_envelope", raw)
    reason = ""
    if len(raw) > limits.event_bytes:
        reason = "too_large"
    elif raw.count(b"{") + raw.count(b"[") > limits.depth and depth(item) > limits.depth:
        reason = "too_deep"
    elif len(raw) > limits.keys * _LEAST_OF_A_KEY and raw.count(b":") > limits.keys and count_keys(item) > limits.keys:
        reason = "too_many_keys"
    if not reason:
        return item
    return Invalid(reason, encode(item) if of_batch and reason != "too_deep" else raw)


def depth(value: Any) -> int:
    """Levels of nesting: a scalar 0, `{}` 1. Without recursion, since the value may be hostile."""
    deepest, stack = 0, [(value, 0)]
    while stack:
        item, level = stack.pop()
        if isinstance(item, dict | list):
            deepest = max(deepest, level + 1)
            children = item.values() if isinstance(item, dict) else item
            stack.extend((child, level + 1) for child in children)
    return deepest


def count_keys(value: Any) -> int:
    """Keys of all objects inside."""
    keys, stack = 0, [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            keys += len(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return keys


def _without_frame(data: bytes) -> bytes:
    """Without the five bytes of a schema registry before JSON."""
    return data[5:] if data[:1] == b"\0" and data[5:6] in (b"{", b"[") else data


def _items(value: Any, raw: bytes, line: int, repairs: Repairs) -> Iterator[InputItem]:
    """The items of one JSON value."""
    if type(value) is dict:
        if "batch" not in value or "type" in value:
            yield InputItem(value, _EMPTY, line, (), raw)
        else:
            yield from batch_items(value, raw, line)
    elif type(value) is list and any(type(item) is dict for item in value):
        repairs["list_of_events"] += 1
        for index, item in enumerate(value):
            if type(item) is dict and "batch" in item and "type" not in item:
                yield from batch_items(item, raw, line, (index,))
            else:
                yield InputItem(item, _EMPTY, line, (index,), None)
    else:
        yield InputItem(Invalid("not_object", raw), _EMPTY, line, (), raw)


def batch_items(batch: Body, raw: bytes, line: int = 1, path: tuple[str | int, ...] = ()) -> Iterator[InputItem]:
    """The items of a batch body that came as `raw`."""
    items = batch["batch"]
    if type(items) is not list:
        yield InputItem(Invalid("batch_not_list", raw), batch, line, (*path, "batch"), raw)
        return
    for index, item in enumerate(items):
        yield InputItem(item, batch, line, (*path, "batch", index), None)


def _closer_look(data: bytes, repairs: Repairs, longest_damaged: int | None) -> list[InputItem]:
    """The items of what is not one JSON text that orjson parses."""
    try:
        return list(_items(parse(data, repairs), data, 1, repairs))
    except JsonError as error:
        reason = error.reason
    data = data.removeprefix(BYTE_ORDER_MARK)
    if not data or data.isspace():
        return []
    if longest_damaged is not None and len(data) > longest_damaged:
        return [_invalid(reason, data, 1)]
    return _damaged(data, 1, repairs) or _Pieces(data, repairs).items() or [_invalid(reason, data, 1)]


def _damaged(data: bytes, line: int, repairs: Repairs, *, closed: bool = True) -> list[InputItem]:
    """The items of a batch body or of a list that one of them spoils; empty when it is neither.

    `closed`: only where the list is closed and nothing is amiss around it.
    """
    found = cut(data)
    if found is None or not found.items or (closed and not found.closed):
        return []
    try:
        envelope = parse(found.envelope, repairs)
    except JsonError:
        return []
    if type(envelope) is dict:
        place: tuple[str, ...] = ("batch",)
    elif any(piece.startswith(b"{") for piece in found.items):
        place, envelope = (), _EMPTY
        repairs["list_of_events"] += 1
    else:
        return []
    return [
        InputItem(_value(piece, repairs), envelope, line, (*place, index), piece)
        for index, piece in enumerate(found.items)
    ]


def _value(piece: bytes, repairs: Repairs) -> Any:
    try:
        return parse(piece, repairs)
    except JsonError as error:
        return Invalid(error.reason, piece)


def _invalid(reason: str, raw: bytes, line: int) -> InputItem:
    return InputItem(Invalid(reason, raw), _EMPTY, line, (), raw)


class _Pieces:
    """Lines, and JSON values joined to each other, of which some may be broken.

    Each JSON value is read where it begins: at the start of a line or right behind another. What is none is broken up
    to the next line that is not its continuation.
    """

    def __init__(self, data: bytes, repairs: Repairs) -> None:
        self._data = data
        self._repairs = repairs
        self._brackets = Brackets(data)
        self._found: list[InputItem] = []
        self._broken: tuple[int, int, int, str] | None = None  # start, end, line and reason
        self._any_whole = False
        self._joint = 0  # where a whole object begins on a broken line
        self._line_end = -1
        self._cut_is_tried = False

    def items(self) -> list[InputItem]:
        """All items; empty when not a single JSON value, be it damaged, stands by itself."""
        data, position, line = self._data, 0, 1
        while (start := _SPACE.match(data, position).end()) < len(data):  # type: ignore[union-attr]  # always matches
            newlines = data.count(b"\n", position, start)
            line += newlines
            position = self._piece(start, line, first=newlines > 0 or position == 0)
            line += data.count(b"\n", start, position)
        self._end_broken()
        return self._found if self._any_whole else []

    def _piece(self, start: int, line: int, *, first: bool) -> int:
        """Read what begins at `start`, `first` on its line or behind another; returns where it ends."""
        data, line_end = self._data, self._end_of_line(start)
        at_line_start = start == 0 or data[start - 1 : start] == b"\n"
        if self._broken is not None and not at_line_start and start != self._joint:
            return self._break(start, line_end, line, "not_json")
        reason = "not_json"
        if first:
            text = data[start:line_end].rstrip()
            try:
                self._whole(_items(parse(text, self._repairs), text, line, self._repairs))
            except JsonError as error:
                reason = error.reason
            else:
                return line_end
        if data[start : start + 1] in (b"{", b"["):
            end = self._value_over_lines(start, line_end, line)
            if end is not None:
                return end
        return self._break(start, self._junction(start, line_end), line, reason)

    def _end_of_line(self, start: int) -> int:
        if self._line_end < start:
            newline = self._data.find(b"\n", start)
            self._line_end = len(self._data) if newline < 0 else newline
        return self._line_end

    def _value_over_lines(self, start: int, line_end: int, line: int) -> int | None:
        """Read the value whose brackets are closed, on this line or on another; None when it is not closed."""
        end = self._brackets.closing(start)
        if end is None:
            return self._cut_off(start, line)
        text = self._data[start:end]
        try:
            items = list(_items(parse(text, self._repairs), text, line, self._repairs))
        except JsonError as error:
            items = _damaged(text, line, self._repairs)
            if not items and end > line_end and _RECORD.search(text):
                return None
            items = items or [_invalid(error.reason, text, line)]
        if _BLANK.match(self._data, end).end() < line_end:  # type: ignore[union-attr]  # always matches
            self._repairs["joined"] += 1
        self._whole(items)
        return end

    def _cut_off(self, start: int, line: int) -> int | None:
        """Read a batch or list without its end, if nothing but it is left; returns where it ends."""
        if self._any_whole or self._cut_is_tried:
            return None
        self._cut_is_tried = True
        rest = self._data[start:]
        items = [] if _RECORD.search(rest) else _damaged(rest, line, self._repairs, closed=False)
        if not items:
            return None
        self._whole(items)
        return len(self._data)

    def _junction(self, start: int, line_end: int) -> int:
        """Where a broken part of a line ends: at the line's end, or before a whole object on it."""
        for found in islice(_JUNCTION.finditer(self._data, start, line_end), _MOST_JUNCTIONS):
            end = self._brackets.closing(found.end())
            if end is not None and type(_value(self._data[found.end() : end], Repairs())) is dict:
                self._joint = found.end()
                return found.start() + 1
        return line_end

    def _break(self, start: int, end: int, line: int, reason: str) -> int:
        """Note what is broken; lines that continue it, being indented or closing, belong to it."""
        if self._broken is not None:
            first, _, first_line, first_reason = self._broken
            if self._data[start - 1 : start] != b"\n" or self._data[start : start + 1] in (b"}", b"]"):
                self._broken = (first, end, first_line, first_reason)
                return end
        self._end_broken()
        self._broken = (start, end, line, reason)
        return end

    def _whole(self, items: Iterable[InputItem]) -> None:
        self._end_broken()
        self._found += items
        self._any_whole = True

    def _end_broken(self) -> None:
        if self._broken is not None:
            start, end, line, reason = self._broken
            self._broken = None
            self._found.append(_invalid(reason, self._data[start:end].rstrip(), line))
