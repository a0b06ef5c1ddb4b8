"""Which messages `router tap` shows: its options as one value. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from confluent_kafka import Message

from router.errors import UsageError
from router.fql import FqlError, Query, compile_query

_PERSON = ("userId", "anonymousId", "profileId")


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Empty means all. A message is shown when one of the events in it is wanted.

    `since` is in ms since 1970, of the message. `users` are user ids, anonymous ids or profile ids.
    """

    events: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    where: Query | None = None
    since: int | None = None

    @classmethod
    def of(cls, events: list[str], users: list[str], where: str, since: int | None) -> EventFilter:
        """From the texts of a command line. Raises UsageError."""
        try:
            query = compile_query(where) if where else None
        except FqlError as error:
            raise UsageError(f"--where: {error}") from error
        return cls(frozenset(events), frozenset(users), query, since)

    def matches(self, message: Message) -> bool:
        if self.since is not None and message.timestamp()[1] < self.since:
            return False
        if not (self.events or self.users or self.where):
            return True
        source = named_headers(message).get("source", "")
        return any(self._wanted(body, source) for body in bodies(message.value() or b""))

    def _wanted(self, body: dict[str, Any], source: str) -> bool:
        return (
            (not self.events or body.get("event") in self.events or body.get("name") in self.events)
            and (not self.users or any(body.get(name) in self.users for name in _PERSON))
            and (self.where is None or self.where.matches(body, source or str(body.get("source", ""))))
        )


def named_headers(message: Message) -> dict[str, str]:
    """The message's headers as text."""
    found = cast("Sequence[tuple[str, bytes | None]]", message.headers() or ())
    return {name: text(raw) or "" for name, raw in found}


def bodies(value: bytes) -> Iterator[dict[str, Any]]:
    """The JSON objects of a message: one, those of a list or of a batch body, or one on each line."""
    whole = parsed(value)
    for item in [whole] if whole is not None else map(parsed, value.split(b"\n")):
        inside = item.get("batch") if isinstance(item, dict) else item
        events = inside if isinstance(inside, list) else [item]
        yield from (event for event in events if isinstance(event, dict))


def parsed(value: bytes) -> Any:
    """The JSON value; None where it is none."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def text(value: bytes | str | None) -> str | None:
    """Bytes as text, what is not UTF-8 escaped."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
