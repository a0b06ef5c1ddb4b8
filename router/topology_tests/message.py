"""A given item of a test case as the message that a consumer would read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.events.message_batch import LOG_APPEND_TIME
from router.events.records import Headers
from router.events.topics import Topics

CREATE_TIME = 1
_OURS = ("source", "at", "raw")


@dataclass(frozen=True, slots=True)
class GivenMessage:
    """What `router.agents.decode.Message` asks for. All messages of a test case are in partition 0."""

    name: str
    number: int
    text: bytes
    received: tuple[int, int]
    message_headers: Headers

    def value(self) -> bytes | None:
        return self.text

    def key(self) -> bytes | None:
        return None

    def headers(self) -> Any:
        return self.message_headers

    def timestamp(self) -> tuple[int, int]:
        return self.received

    def topic(self) -> str:
        return self.name

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.number


def given_message(item: Mapping[str, Any], topics: Topics, number: int, received: int) -> GivenMessage:
    """The item as a message received at that time (milliseconds since 1970).

    With `source` it stands where the first reader has already found the source; without, on `events.raw`, where the
    event's `writeKey` or the topology's `default_source` decides.
    """
    event = {key: value for key, value in item.items() if key not in _OURS}
    text = item["raw"].encode() if "raw" in item else json.dumps(event).encode()
    if "source" not in item:
        return GivenMessage(topics.raw, number, text, (LOG_APPEND_TIME, received), [])
    headers: Headers = [("source", str(item["source"]).encode()), ("received-at", str(received).encode())]
    return GivenMessage(topics.keyed, number, text, (CREATE_TIME, received), headers)


def around(value: bytes, headers: Headers, topics: Topics, number: int) -> GivenMessage:
    """A record that an agent sent round by `events.keyed`, as it comes back."""
    return GivenMessage(topics.keyed, number, value, (CREATE_TIME, 0), headers)
