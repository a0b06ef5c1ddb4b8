"""Events of a file: one event, a JSON list, NDJSON or Segment batch bodies, each with its place for problems.

NDJSON is read line by line, so a file may be larger than memory; any other form is one document and read whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import IO, NamedTuple

import orjson

from router.document import dotted
from router.errors import Problem
from router.events.event import REASONS, Invalid, Limits, device_key, shape_problem
from router.events.parser import Repairs, encode, is_json
from router.events.reader import InputItem, limited, merged, read

_DOCUMENT_BYTES = 256 * 1024 * 1024


class Ready(NamedTuple):
    """An event as it will be produced."""

    value: bytes
    key: bytes | None


def events(stream: IO[bytes], name: str, limits: Limits) -> Iterator[Ready | Problem]:
    """Every item of a file: an event that is fit to be sent, or what is wrong with it. `name` stands in problems."""
    for item in items(stream, name):
        yield item if isinstance(item, Problem) else _checked(item, name, limits)


def items(stream: IO[bytes], name: str) -> Iterator[InputItem | Problem]:
    """Every item of a file with its place, whatever it is; a Problem where the file as a whole is none."""
    numbered: Iterator[tuple[int, bytes]] = (
        (number, line) for number, line in enumerate(stream, 1) if not line.isspace()
    )
    first = next(numbered, None)
    if first is None:
        yield Problem(name, 0, 0, "", "expected events, got an empty file")
        return
    if not is_json(first[1]):
        second = next(numbered, None)
        if second is not None and not is_json(second[1]):
            yield from _document(chain([first, second], numbered), name)
            return
        numbered = chain([second] if second else [], numbered)
    for number, line in chain([first], numbered):
        for item in [] if line.strip() == b"[]" else read(line, Repairs()):
            yield item._replace(line=number)


def _document(numbered: Iterator[tuple[int, bytes]], name: str) -> Iterator[InputItem | Problem]:
    """A file that is not NDJSON."""
    parts, size, last = [], 0, 0
    for number, line in numbered:
        parts.append(b"\n" * (number - 1 - last) + line)  # blank lines count in the places of errors
        size, last = size + len(parts[-1]), number
        if size > _DOCUMENT_BYTES:
            yield Problem(name, 0, 0, "", f"expected at most {_DOCUMENT_BYTES} bytes in one document; use NDJSON")
            return
    data = b"".join(parts)
    found = read(data, Repairs())
    if len(found) == 1 and isinstance(found[0].value, Invalid) and not found[0].path:
        yield _unreadable(data, found[0].value.reason, name)
        return
    for item in found:
        yield item if item.line > 1 else item._replace(line=0)


def _checked(item: InputItem, name: str, limits: Limits) -> Ready | Problem:
    """The event of an item, or what is wrong with it."""
    body = merged(item.value, item.envelope)
    if isinstance(body, Invalid):
        return _problem(item, name, body.reason)
    if type(body) is not dict:
        return _problem(item, name, "not_object")
    body.pop("writeKey", None)
    reason = shape_problem(body, limits, Repairs())
    if reason:
        return _problem(item, name, reason)
    try:
        value = encode(body)
    except TypeError:
        return _problem(item, name, "too_deep")
    checked = limited(body, value, limits)
    return _problem(item, name, checked.reason) if isinstance(checked, Invalid) else Ready(value, device_key(body))


def _unreadable(data: bytes, reason: str, name: str) -> Problem:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return Problem(name, error.lineno, error.colno, "", f"expected JSON, got {error.msg}")
    return Problem(name, 1, 1, "", f"expected an event, got none: {REASONS[reason]}")


def _problem(item: InputItem, name: str, reason: str) -> Problem:
    text = f"expected an event, got none: {REASONS[reason]}"
    return Problem(name, item.line, 1 if item.line else 0, dotted(item.path), text)
