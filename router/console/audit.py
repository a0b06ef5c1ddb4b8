"""What people did in the console: a record in `<topology>.audit` for each action, and one for how it ended.

A record is JSON: `id` of the action, `time`, `who`, `role`, `from` (the address), `action`, `target`, `reason`,
`outcome` (begun, done, refused, failed) and `says`. An action whose first record cannot be written is not taken:
kill -9 may leave one begun without its end, and never one that nobody wrote down.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field, replace
from typing import Literal

import orjson
from confluent_kafka import Producer

from router.errors import RouterError, Unavailable
from router.events.times import iso
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.failure import translated
from router.kafka.span import span

WRITE_SECONDS = 30.0
LONGEST_TEXT = 500
NEWEST = 200
Ended = Literal["begun", "done", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Deed:
    """An action of somebody: `target` is what it is done to, `reason` what was typed."""

    who: str
    role: str
    address: str
    action: str
    target: str
    reason: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    def record(self, outcome: Ended, says: str, now: int) -> dict[str, str]:
        """As it is written; `now` in ms since 1970."""
        return {
            "id": self.id, "time": iso(now), "who": self.who, "role": self.role, "from": self.address,
            "action": self.action, "target": self.target[:LONGEST_TEXT], "reason": self.reason[:LONGEST_TEXT],
            "outcome": outcome, "says": says[:LONGEST_TEXT],
        }  # fmt: skip

    def shortened(self) -> Deed:
        """Without what is too long to be kept."""
        return replace(self, target=self.target[:LONGEST_TEXT], reason=self.reason[:LONGEST_TEXT])


class AuditLog:
    """Writes and reads the topic. Each call waits for Kafka: not for an event loop."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._cluster = cluster
        self._topic = topic

    def write(self, deed: Deed, outcome: Ended, says: str = "") -> None:
        """Raises RouterError where the topic is not there, Unavailable where Kafka does not take it."""
        if self._topic not in Admin(self._cluster).topics():
            raise RouterError(f"expected the topic {self._topic}: make it with `router topics apply`")
        failed: list[str] = []
        doing = f"write to {self._topic}"
        value = orjson.dumps(deed.record(outcome, says, int(time.time() * 1000)))
        with translated(doing):
            writer = Producer(clients.producer(self._cluster))
            writer.produce(
                self._topic, value, deed.who, 0, lambda error, _: failed.append(error.str()) if error else None
            )
            left = writer.flush(WRITE_SECONDS)
        if failed or left:
            raise Unavailable(f"{doing}: {failed[0] if failed else 'the broker does not answer'}")

    def newest(self, count: int = NEWEST) -> list[dict[str, str]]:
        """The latest records, the newest first. Raises Unavailable."""
        admin = Admin(self._cluster)
        if self._topic not in admin.topics():
            return []
        at = admin.watermarks([(self._topic, 0)], uncommitted=False)[self._topic, 0]
        found: list[dict[str, str]] = []
        for messages in span(self._cluster, self._topic, 0, max(at.low, at.high - count), at.high):
            found += [record for message in messages if (record := _record(message.value() or b""))]
        return found[::-1]


def _record(value: bytes) -> dict[str, str]:
    """A record; empty for what is none."""
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return {}
    return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else {}
