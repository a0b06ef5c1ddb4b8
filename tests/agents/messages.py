"""Messages as the agents read them, without Kafka."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from router.agents.decode import Decode
from router.agents.dedupe import dedupe_key, key_prefix
from router.events.event import Event, Limits, normalise, shape_problem
from router.events.parser import Repairs
from router.events.topics import Topics

AT = 1_767_225_600_000  # 2026-01-01T00:00:00Z


@dataclass(frozen=True)
class FakeMessage:
    """Stands for confluent_kafka.Message; `at` is the broker's LogAppendTime unless `kind` says otherwise."""

    raw: bytes | None
    of_key: bytes | None = b"k"
    of_headers: Any = None
    at: int = AT
    kind: int = 2
    of_topic: str = "events.raw"
    of_partition: int = 0
    of_offset: int = 0

    def value(self) -> bytes | None:
        return self.raw

    def key(self) -> bytes | None:
        return self.of_key

    def headers(self) -> Any:
        return self.of_headers

    def timestamp(self) -> tuple[int, int]:
        return self.kind, self.at

    def topic(self) -> str:
        return self.of_topic

    def partition(self) -> int:
        return self.of_partition

    def offset(self) -> int:
        return self.of_offset


def track(message_id: str = "m1", **fields: Any) -> dict[str, Any]:
    """A track call's body."""
    return {"type": "track", "event": "Order Completed", "anonymousId": "a1", "messageId": message_id, **fields}


def message(body: Any, **of: Any) -> FakeMessage:
    """A message with this JSON value."""
    return FakeMessage(orjson.dumps(body), **of)


def event(body: dict[str, Any], *, source: str = "web", received: int = AT, lane: int = 0) -> Event:
    """A normalised event."""
    assert not shape_problem(body, Limits(), Repairs())
    normalise(body, received, "" if body.get("messageId") else "spare", Repairs())
    made = Event(body, source, lane, 0, received, b"k", None)
    made.digest = dedupe_key(key_prefix(source), body["messageId"])
    return made


def decode(topics: Topics, *sources: str, **of: Any) -> Decode:
    """An agent for these sources; `web` alone by default, which is the default source."""
    given: dict[str, Any] = {
        "cluster": "c",
        "limits": Limits(),
        "sources": sources or ("web",),
        "source_of_topic": {},
        "source_of_key": {},
        "default_source": "web",
        "clock": lambda: AT / 1000,
    }
    return Decode(topics, **given | of)
