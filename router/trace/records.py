"""What a search has found about some events: the messages that hold them, and how far their readers have come. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import orjson

from router.events.event import Body, Invalid
from router.events.parser import Repairs
from router.events.reader import read
from router.events.records import Place


@dataclass(frozen=True)
class Sighting:
    """One message. `time` is the message's, in ms since 1970; `headers` are text, what is not UTF-8 escaped."""

    place: Place
    time: int
    key: bytes | None
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def bodies(self) -> list[Body]:
        """The JSON objects in it, as the router reads them: one event, lines, a list or a batch body."""
        items = (item.value for item in read(self.value, Repairs())) if self.value else ()
        return [item for item in items if not isinstance(item, Invalid) and isinstance(item, dict)]

    def body_of(self, message_id: str) -> Body | None:
        """The event of this messageId in it."""
        return next((body for body in self.bodies if text_id(body.get("messageId")) == message_id), None)


class FirstSeen(NamedTuple):
    """An entry of the dedupe changelog: the event that was the first of its messageId, at `time` (receive time, ms).

    `source` is empty where ids are those of all sources together; `blocked`: the tracking plan was going to block it.
    """

    message_id: str
    source: str
    partition: int
    time: int
    blocked: bool


class LoggedEvent(NamedTuple):
    """A messageId in a record of the delivery log, written at `time`; `ms` from receive time to the answer."""

    time: int
    outcome: str
    code: str
    source: str
    message_id: str
    attempts: int
    ms: int | None


class FailedAttempt(NamedTuple):
    """A failed attempt that the delivery log has a sample of: of the event at `origin`."""

    time: int
    code: str
    origin: str
    response: str


class GroupProgress(NamedTuple):
    """How far a group has come in a partition: the next offset, and those beyond it that are final already."""

    offset: int
    done: Collection[int] = ()

    def passed(self, offset: int) -> bool:
        return offset < self.offset or offset in self.done


@dataclass
class DestinationRecords:
    """What was found of one destination; `progress` and `retried` are by partition, of its topic and its retries."""

    routed: list[Sighting] = field(default_factory=list)
    retries: list[Sighting] = field(default_factory=list)
    dead: list[Sighting] = field(default_factory=list)
    logged: list[LoggedEvent] = field(default_factory=list)
    attempts: list[FailedAttempt] = field(default_factory=list)
    progress: dict[int, GroupProgress] = field(default_factory=dict)
    retried: dict[int, GroupProgress] = field(default_factory=dict)


@dataclass
class Evidence:
    """What was found of some events. `fallback` maps the place of a message to ids that the router gave its events.

    `received` are messages of the topics that route reads, `route` how far it has come in them, by topic and
    partition; `redriven` are the places of dead letters that were sent again.
    """

    received: list[Sighting] = field(default_factory=list)
    first_seen: list[FirstSeen] = field(default_factory=list)
    invalid: list[Sighting] = field(default_factory=list)
    blocked: list[Sighting] = field(default_factory=list)
    violations: list[Sighting] = field(default_factory=list)
    resolved: list[Sighting] = field(default_factory=list)
    destinations: dict[str, DestinationRecords] = field(default_factory=dict)
    route: dict[tuple[str, int], GroupProgress] = field(default_factory=dict)
    redriven: set[str] = field(default_factory=set)
    fallback: dict[Place, str] = field(default_factory=dict)


def text_id(value: object) -> str:
    """An id as the router takes it: text, or a whole number as text; empty for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def json_object(value: bytes | str | None) -> dict[str, Any]:
    """The JSON object; empty where it is none."""
    try:
        found = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
