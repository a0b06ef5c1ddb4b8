"""Reads events from files as people have them: one event, a JSON list, a Segment batch body, or one event a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from router.errors import FileError, Problem
from router.events.event import CALL_TYPES
from router.plan.model import NAMED

_OBJECTS = ("properties", "traits", "context", "integrations")


class EventLine(NamedTuple):
    """An event with its line in the file; `problem` (at `path`) says why it is none."""

    line: int
    body: dict[str, Any]
    problem: str = ""
    path: str = ""

    @property
    def name(self) -> Any:
        """What the event is called; None for call types without names."""
        return self.body.get(NAMED.get(str(self.body.get("type")), ""))


def read_items(path: Path) -> list[EventLine]:
    """All events of a file. Raises FileError when it cannot be read or holds none."""
    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise FileError([Problem(str(path), 0, 0, "", f"expected a readable file, got {error.strerror}")]) from error
    items = list(_items(raw.removeprefix(b"\xef\xbb\xbf")))
    if not items:
        raise FileError([Problem(str(path), 0, 0, "", "expected events as JSON, got an empty file")])
    return items


def _items(raw: bytes) -> Iterator[EventLine]:
    try:
        whole = orjson.loads(raw)
    except orjson.JSONDecodeError:
        for number, line in enumerate(raw.splitlines(), 1):
            if line.strip():
                yield from _parsed(line, number)
        return
    values = whole["batch"] if isinstance(whole, dict) and "type" not in whole and "batch" in whole else whole
    for value in values if isinstance(values, list) else [values]:
        yield _item(value, 1)


def _parsed(line: bytes, number: int) -> Iterator[EventLine]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        yield EventLine(number, {}, f"expected JSON, got an error: {error}")
        return
    for each in value if isinstance(value, list) else [value]:
        yield _item(each, number)


def _item(value: Any, line: int) -> EventLine:
    if not isinstance(value, dict):
        return EventLine(line, {}, "expected an event (a JSON object), got another value")
    body = {key: item for key, item in value.items() if item is not None or key not in _OBJECTS}
    if body.get("type") not in CALL_TYPES:
        return EventLine(line, body, f"expected one of {', '.join(CALL_TYPES)}, got another type", "/type")
    if body["type"] == "track" and not (isinstance(body.get("event"), str) and body["event"]):
        return EventLine(line, body, "expected the event's name, got none", "/event")
    for field in _OBJECTS:
        if not isinstance(body.get(field, {}), dict):
            return EventLine(line, body, "expected an object, got another value", f"/{field}")
    return EventLine(line, body)
