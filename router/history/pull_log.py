"""Which rows were pulled: the topic `<topology>.pulls`, by source and row the hash of what was sent of it.

A row's record is written in one transaction with its event; one without a value says that the row is gone or lies
behind the cursor. The record of a source itself, without a row, counts the pulls that came to their end, and
says how far the cursor is. The topic is compacted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from router.errors import RouterError
from router.events.records import Record
from router.history.pull_cursor import PullCursor
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.span import span
from router.replay.dead_letters import ends

_SEPARATOR = b"\0"


@dataclass
class KnownRows:
    """Of one source: `rows` by key the hash of what was sent last, `pulls` that came to their end, `at` the last, ms.

    With a `cursor`, `rows` are those of its value, and others may be among them.
    """

    rows: dict[bytes, bytes] = field(default_factory=dict)
    pulls: int = 0
    at: int = 0
    cursor: PullCursor | None = None

    def forget(self) -> None:
        """All rows are new afterwards, and none gets a messageId that one had before."""
        self.rows.clear()
        self.cursor, self.pulls = None, self.pulls + 1


class PullLog:
    """Of one source."""

    def __init__(self, cluster: Cluster, topic: str, source: str) -> None:
        self._cluster = cluster
        self._topic = topic
        self._source = source.encode()

    def read(self) -> KnownRows:
        """Reads the topic whole. Raises RouterError for a record of somebody else."""
        known, prefix = KnownRows(), self._source + _SEPARATOR
        for number, at in ends(Admin(self._cluster), self._topic).items():
            for messages in span(self._cluster, self._topic, number, at.low, at.high):
                for message in messages:
                    key, value = message.key() or b"", message.value()
                    if key == self._source:
                        self._note(known, value, message.offset() or 0)
                    elif not key.startswith(prefix):
                        continue
                    elif value is None:
                        known.rows.pop(key[len(prefix) :], None)
                    else:
                        known.rows[key[len(prefix) :]] = value
        return known

    def row(self, key: bytes, content: bytes | None) -> Record:
        """To be written with the row's event; None where it is gone."""
        return self._topic, content, self._source + _SEPARATOR + key, None  # type: ignore[return-value]  # a tombstone

    def state(self, known: KnownRows) -> Record:
        """All but the rows: to be written when a pull comes to its end, and with the rows that move a cursor."""
        record: dict[str, object] = {"pulls": known.pulls, "at": known.at}
        if known.cursor is not None:
            record["cursor"] = known.cursor.as_dict()
        return self._topic, orjson.dumps(record), self._source, None

    def _note(self, known: KnownRows, value: bytes | None, offset: int) -> None:
        try:
            record = orjson.loads(value or b"")
            known.pulls, known.at = int(record["pulls"]), int(record["at"])
            known.cursor = PullCursor.of(record["cursor"]) if "cursor" in record else None
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            raise RouterError(f"{self._topic}:0:{offset}: expected a record of router pull, got another") from error
