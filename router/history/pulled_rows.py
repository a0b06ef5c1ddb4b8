"""From a row of a query to an event, with what the row and its content are known by. Pure.

A row that goes from A to B and back to A is three events: the number of the pull is in the messageId, so that the third
is not taken for the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import orjson

from router.events.event import Body
from router.mapping.mapping import Mapping as RowMapping

_SORTED = orjson.OPT_SORT_KEYS
HASH_BYTES = 16


class PulledRows:
    """Of one source: `columns` are those of the key, `mapping` makes events; without one rows are `objects`."""

    def __init__(
        self, source: str, columns: Sequence[str], mapping: Mapping[str, Any], deleted: Mapping[str, Any],
        objects: str | None = None,
    ) -> None:  # fmt: skip
        self.source = source
        self._columns = tuple(columns)
        self._map = RowMapping(mapping)
        self._deleted = RowMapping(deleted) if deleted else None
        self._objects = objects

    @property
    def reports_deleted(self) -> bool:
        """Whether a row that is gone becomes an event."""
        return self._deleted is not None

    def key(self, row: Mapping[str, Any]) -> bytes | None:
        """What the row is known by: JSON of the values of its key columns. None where one of them is empty."""
        values = [row[name] for name in self._columns]
        return None if any(value is None or value == "" for value in values) else orjson.dumps(values)

    def event(self, row: Mapping[str, Any], key: bytes) -> Body | str:
        """The event of a row, or what is wrong with it: the place and what was expected, never a value."""
        if self._objects is not None:
            return self._object(row, key)
        event, problems = self._map.apply(row)
        _complete(event)
        return problems[0] if problems else event

    def gone(self, key: bytes) -> Body | str:
        """The event of a row that is no longer there, or what is wrong with it."""
        assert self._deleted is not None
        event, problems = self._deleted.apply(dict(zip(self._columns, orjson.loads(key), strict=True)))
        _complete(event)
        return problems[0] if problems else event

    def with_id(self, event: Body, key: bytes, content: bytes, version: bytes) -> Body:
        """The event with its messageId, unless the mapping gives it one. `version`: which pull, and which value."""
        if not event.get("messageId"):
            place = b"\0".join((self.source.encode(), key, content, version))
            event["messageId"] = "pull-" + blake2b(place, digest_size=16).hexdigest()
        return event

    def _object(self, row: Mapping[str, Any], key: bytes) -> Body:
        """A row that is nobody's: only destinations that take everything, whatever `integrations` says, get it."""
        assert self._objects is not None
        known_by = blake2b(self.source.encode() + b"\0" + key, digest_size=HASH_BYTES).hexdigest()
        return {
            "type": "track",
            "event": self._objects,
            "anonymousId": f"object-{known_by}",
            "properties": dict(row),
            "integrations": {"All": False},
            "channel": "server",
        }


def content_of(event: Body) -> bytes:
    """What the event of a row is known by, before it has an id."""
    return blake2b(orjson.dumps(event, option=_SORTED), digest_size=HASH_BYTES).digest()


def _complete(event: Body) -> None:
    if "type" not in event and event.get("event"):
        event["type"] = "track"
    event.setdefault("channel", "server")
