"""Reads the events of a file for `router plan check`, in every form that the router itself takes."""

from __future__ import annotations

import sys
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from router.errors import FileError, Problem
from router.events.event import CALL_TYPES, REASONS, Invalid, Limits, object_problem, shape_problem
from router.events.parser import Repairs, encode
from router.events.reader import InputItem, limited, merged, read
from router.plan.model import NAMED


class EventLine(NamedTuple):
    """An event with its line in the file; `problem` (at `path`) says why it is none.

    `refused` is the code with which the gateway would refuse it by the default limits; empty where it would not.
    """

    line: int
    body: dict[str, Any]
    problem: str = ""
    path: str = ""
    refused: str = ""

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
    items = [_with_refusal(item, _item(item)) for item in read(raw, Repairs())]
    if not items:
        raise FileError([Problem(str(path), 0, 0, "", "expected events as JSON, got an empty file")])
    return items


def _with_refusal(item: InputItem, found: EventLine) -> EventLine:
    value = merged(item.value, item.envelope)
    if isinstance(value, Invalid):
        return found._replace(refused=value.reason)
    if not isinstance(value, dict):
        return found._replace(refused="not_object")
    body, limits = deepcopy(value), Limits()
    reason = shape_problem(body, limits, Repairs())
    if not reason:
        try:
            checked = limited(body, encode(body), limits)
        except TypeError:  # deeper than the encoder goes
            checked = Invalid("too_deep", b"")
        reason = checked.reason if isinstance(checked, Invalid) else ""
    return found._replace(refused=reason)


def _item(item: InputItem) -> EventLine:
    value, line = merged(item.value, item.envelope), item.line
    if isinstance(value, Invalid) and value.reason != "not_object":
        return EventLine(line, {}, f"expected JSON, got an error: {REASONS[value.reason]}")
    if not isinstance(value, dict):
        return EventLine(line, {}, "expected an event (a JSON object), got another value")
    problem = object_problem(value, Repairs())
    if value.get("type") not in CALL_TYPES:
        return EventLine(line, value, f"expected one of {', '.join(CALL_TYPES)}, got another type", "/type")
    if value["type"] == "track" and not (isinstance(value.get("event"), str) and value["event"]):
        return EventLine(line, value, "expected the event's name, got none", "/event")
    if problem:
        return EventLine(line, value, "expected an object, got another value", f"/{problem}")
    return EventLine(line, value)
