"""Events of a file: one event, a JSON list, NDJSON or Segment batch bodies, each with its place for problems.

NDJSON is read line by line, so a file may be larger than memory; any other form is one document and read whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import IO, Any, NamedTuple

import orjson

from router.document import dotted
from router.errors import Problem
from router.events.event import REASONS, Body, Invalid, Limits, device_key, json_reason, limited, merged, shape_problem

_DOCUMENT_BYTES = 256 * 1024 * 1024


class Ready(NamedTuple):
    """An event as it will be produced."""

    value: bytes
    key: bytes | None


def events(stream: IO[bytes], name: str, limits: Limits) -> Iterator[Ready | Problem]:
    """Every item of a file: an event that is fit to be sent, or what is wrong with it. `name` stands in problems."""
    numbered = ((number, line) for number, line in enumerate(stream, 1) if not line.isspace())
    first = next(numbered, None)
    if first is None:
        yield Problem(name, 0, 0, "", "expected events, got an empty file")
        return
    if _parsed(first[1]) is None:
        yield from _document(first, numbered, name, limits)
        return
    for number, line in chain([first], numbered):
        yield from _line(number, line, name, limits)


def _document(
    first: tuple[int, bytes], rest: Iterator[tuple[int, bytes]], name: str, limits: Limits
) -> Iterator[Ready | Problem]:
    """One JSON document over several lines; or NDJSON after all, whose first line is broken."""
    second = next(rest, None)
    if second is None or _parsed(second[1]) is not None:
        yield _unreadable(name, *first)
        for number, line in chain([second] if second else [], rest):
            yield from _line(number, line, name, limits)
        return
    parts, size, last = [], 0, 0
    for number, line in chain([first, second], rest):
        parts.append(b"\n" * (number - 1 - last) + line)  # blank lines count in the places of errors
        size, last = size + len(parts[-1]), number
        if size > _DOCUMENT_BYTES:
            yield Problem(name, 0, 0, "", f"expected at most {_DOCUMENT_BYTES} bytes in one document; use NDJSON")
            return
    try:
        value = orjson.loads(b"".join(parts))
    except orjson.JSONDecodeError as error:
        yield Problem(name, error.lineno, error.colno, "", f"expected JSON, got {error.msg}")
    else:
        yield from _items(value, name, 0, limits)


def _line(number: int, line: bytes, name: str, limits: Limits) -> Iterator[Ready | Problem]:
    value = _parsed(line)
    if value is None:
        yield _unreadable(name, number, line)
    else:
        yield from _items(value[0], name, number, limits)


def _items(value: Any, name: str, line: int, limits: Limits) -> Iterator[Ready | Problem]:
    if type(value) is dict and "batch" in value and "type" not in value:
        items = value["batch"]
        if type(items) is not list:
            yield _problem(name, line, ("batch",), "batch_not_list")
            return
        for index, item in enumerate(items):
            yield _item(merged(item, value), name, line, ("batch", index), limits)
    elif type(value) is list:
        for index, item in enumerate(value):
            yield _item(item, name, line, (index,), limits)
    else:
        yield _item(value, name, line, (), limits)


def _item(item: Any, name: str, line: int, path: tuple[str | int, ...], limits: Limits) -> Ready | Problem:
    if type(item) is not dict:
        return _problem(name, line, path, "not_object")
    item.pop("writeKey", None)
    reason = shape_problem(item, limits)
    if reason:
        return _problem(name, line, path, reason)
    return _checked(item, name, line, path, limits)


def _checked(item: Body, name: str, line: int, path: tuple[str | int, ...], limits: Limits) -> Ready | Problem:
    try:
        value = orjson.dumps(item)
    except TypeError:  # orjson writes fewer levels than it reads
        return _problem(name, line, path, "too_deep")
    checked = limited(item, value, limits)
    if isinstance(checked, Invalid):
        return _problem(name, line, path, checked.reason)
    return Ready(value, device_key(item))


def _parsed(line: bytes) -> tuple[Any] | None:
    try:
        return (orjson.loads(line),)
    except orjson.JSONDecodeError:
        return None


def _unreadable(name: str, number: int, line: bytes) -> Problem:
    return _problem(name, number, (), json_reason(line))


def _problem(name: str, line: int, path: tuple[str | int, ...], reason: str) -> Problem:
    return Problem(name, line, 1 if line else 0, dotted(path), f"expected an event, got none: {REASONS[reason]}")
