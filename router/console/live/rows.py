"""Rows of the live table and how records change them. Pure: records in, rows out; bounded by count and bytes.

A row begins with the message in a source's topic and gets its outcome from `events.resolved`, `events.blocked`,
`events.invalid` and `delivery.log`. A repeat is in no topic: it is what has no record once its offset is committed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from router.console.text import visible
from router.mask import Mask

MOST_ROWS, MOST_BYTES = 2_000, 8 * 1024 * 1024
LONGEST_ROW = 2 * 1024  # bytes of an event that a row keeps, for search
LONGEST_CELL = 120
DUPLICATE_MS = 5_000  # after that a message that was read and left no record is a repeat
OUTCOMES = ("received", "invalid", "blocked", "duplicate", "passed", "delivered", "retrying", "dead")
_OVERHEAD = 400  # bytes of a row beside its text
_RANKS = {"raw": 0, "log": 2, "violation": 2, "dead": 2}  # in one batch, a record after what it is about
_AT_PARTNERS = {
    "delivered": "delivered", "unconfirmed": "delivered", "dead": "dead", "retry": "retrying", "refused": "retrying",
}  # fmt: skip


class LiveMessage(NamedTuple):
    """A record of a topic that is read. `kind` is raw, resolved, blocked, invalid, violation, log or dead."""

    kind: str
    place: str
    time: int
    value: bytes
    headers: Mapping[str, str]
    source: str = ""  # of a raw message, where its topic or write key says; of a dead letter its destination


@dataclass(slots=True, eq=False)
class LiveRow:
    """One event. `text` is its beginning, masked, for search; `version` grows with every change."""

    id: str
    time: int
    source: str
    type: str
    event: str
    user: str
    message_id: str
    size: int
    text: str
    outcome: str = "received"
    violations: int = 0
    destinations: dict[str, str] = field(default_factory=dict)
    version: int = 0
    received: str = ""  # the place of the message that it came in, once that is known
    person: str = field(default="", repr=False)  # as it came, to tell events with one id apart

    @property
    def state(self) -> str:
        """The outcome as it is shown: what its destinations say, once it has passed."""
        said = set(self.destinations.values())
        if self.outcome != "passed" or not said:
            return self.outcome
        return next((one for one in ("dead", "retrying", "delivered") if one in said), self.outcome)

    def as_dict(self) -> dict[str, Any]:
        """As a browser gets it: cells without anything hidden."""
        cells = {name: visible(getattr(self, name), LONGEST_CELL) for name in ("source", "type", "event", "user")}
        return cells | {
            "id": self.id, "place": self.received or self.id, "time": self.time, "size": self.size,
            "messageId": visible(self.message_id),
            "outcome": self.state, "violations": self.violations, "destinations": self.destinations,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class LiveFilter:
    """What a browser wants to see; empty means all. Texts are compared without case."""

    source: str = ""
    text: str = ""
    type: str = ""
    event: str = ""
    user: str = ""
    outcome: str = ""
    violations: bool = False

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> LiveFilter:
        """From what a browser sends; what is no text counts as empty."""
        names = ("source", "text", "type", "event", "user", "outcome")
        texts = {name: asked[name][:200] for name in names if isinstance(asked.get(name), str)}
        folded = {name: text if name == "source" else text.casefold() for name, text in texts.items()}
        return cls(**folded, violations=asked.get("violations") is True)

    def matches(self, row: LiveRow) -> bool:
        return (
            (not self.source or row.source == self.source)
            and (not self.type or row.type == self.type)
            and (not self.event or self.event in row.event.casefold())
            and (not self.user or self.user in row.user.casefold())
            and (not self.outcome or row.state == self.outcome)
            and (not self.violations or row.violations > 0)
            and (not self.text or self.text in row.text.casefold())
        )


class LiveTable:
    """The newest rows. Not for several threads at once."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask
        self.rows: OrderedDict[str, LiveRow] = OrderedDict()
        self._by_message: dict[str, list[LiveRow]] = {}
        self._early: OrderedDict[str, dict[str, str]] = OrderedDict()  # outcomes of events whose row is not there yet
        self._bytes = 0
        self._version = 0

    def take(self, messages: Iterable[LiveMessage]) -> None:
        """Take records over, whatever is in them."""
        for message in sorted(messages, key=lambda one: (_RANKS.get(one.kind, 1), one.time)):
            if message.kind == "log":
                self._delivered(_object(message.value))
            elif message.kind == "dead":
                self._at_partner(message.source, "dead", str(_object(message.value).get("messageId", "")))
            elif message.kind == "violation":
                self._violated(str(_object(message.value).get("messageId", "")))
            elif message.kind == "raw":
                self._received(message)
            else:
                self._ended(message)

    def passed(self, committed: Mapping[tuple[str, int], int], now: int) -> None:
        """Messages before these offsets were read; what has left no record by now is a repeat."""
        for row in self.rows.values():
            if row.outcome != "received" or now - row.time <= DUPLICATE_MS:
                continue
            topic, partition, offset = row.received.rsplit(":", 2)
            if int(offset) < committed.get((topic, int(partition)), 0):
                row.outcome = "duplicate"
                row.destinations = {}  # what is known by its messageId is of the event that it repeats
                self._changed(row)

    def newest(self, wanted: LiveFilter, count: int, after: int = 0) -> list[LiveRow]:
        """The newest rows that are wanted, oldest first; those changed since version `after`."""
        found = []
        for row in reversed(self.rows.values()):
            if row.version > after and wanted.matches(row):
                found.append(row)
                if len(found) == count:
                    break
        found.reverse()
        return sorted(found, key=lambda row: row.time)

    @property
    def version(self) -> int:
        return self._version

    def _received(self, message: LiveMessage) -> None:
        """Only with an id of its own: one that the router makes is not known here."""
        body = _object(message.value)
        if not isinstance(body.get("messageId"), str) or not body["messageId"]:
            return
        row = self._row(body, lambda one: not one.received)
        if row is None:
            row = self._add(message, body, message.source, "received")
        row.received, row.time = message.place, message.time
        self._changed(row)

    def _ended(self, message: LiveMessage) -> None:
        body, headers = _object(message.value), message.headers
        outcome = "passed" if message.kind == "resolved" else message.kind
        origin = headers.get("origin", "")
        row = next((one for one in self.rows.values() if one.received == origin), None) if origin else None
        row = row or self._row(body, lambda one: one.outcome in ("received", "duplicate"))
        if row is None:
            row = self._add(message, body, headers.get("source", ""), outcome)
        row.outcome = outcome
        row.source = headers.get("source", "") or row.source
        row.violations = max(row.violations, headers.get("violations", "").count('"path"'))
        self._changed(row)

    def _row(self, body: Mapping[str, Any], fits: Callable[[LiveRow], bool]) -> LiveRow | None:
        """The row of this event: of its id and its person, for ids repeat."""
        same = (one for one in self._by_message.get(str(body.get("messageId", "")), ()) if one.person == _person(body))
        return next(filter(fits, same), None)

    def _delivered(self, record: Mapping[str, Any]) -> None:
        name, outcome = str(record.get("destination", "")), _AT_PARTNERS.get(str(record.get("outcome", "")))
        if outcome is None:
            return
        events, samples = record.get("events"), record.get("samples")
        ids = [one[0] for one in events if isinstance(one, list) and one] if isinstance(events, list) else []
        for sample in samples if isinstance(samples, list) else ():
            event = sample.get("event") if isinstance(sample, dict) else None
            ids += [event["messageId"]] if isinstance(event, dict) and "messageId" in event else []
        for message_id in map(str, ids):
            self._at_partner(name, outcome, message_id)

    def _at_partner(self, destination: str, outcome: str, message_id: str) -> None:
        """An event's outcome at a destination; it waits where the event's row is not there yet."""
        rows = self._by_message.get(message_id, [])
        for row in rows:
            if row.outcome in ("received", "passed"):
                row.destinations[destination] = outcome
                self._changed(row)
        if not rows:
            self._early.setdefault(message_id, {})[destination] = outcome
            while len(self._early) > MOST_ROWS:
                self._early.popitem(last=False)

    def _violated(self, message_id: str) -> None:
        for row in self._by_message.get(message_id, ()):
            row.violations += 1
            self._changed(row)

    def _add(self, message: LiveMessage, body: Mapping[str, Any], source: str, outcome: str) -> LiveRow:
        shown = self.mask.value(dict(body)) if len(message.value) <= LONGEST_ROW * 8 else {}
        text = orjson.dumps(shown).decode() if shown else message.value[:LONGEST_ROW].decode(errors="replace")
        named, message_id = str(body.get("event") or body.get("name") or ""), str(body.get("messageId", ""))
        row = LiveRow(
            message.place, message.time, source, str(body.get("type", "")), named, _person(shown or body), message_id,
            len(message.value), self.mask.text(text)[:LONGEST_ROW], outcome, person=_person(body),
            destinations=self._early.pop(message_id, {}),
        )  # fmt: skip
        self.rows[row.id] = row
        self._by_message.setdefault(message_id, []).append(row)
        self._bytes += len(row.text) + _OVERHEAD
        while len(self.rows) > MOST_ROWS or self._bytes > MOST_BYTES:
            self._drop_oldest()
        self._changed(row)
        return row

    def _drop_oldest(self) -> None:
        _, old = self.rows.popitem(last=False)
        self._bytes -= len(old.text) + _OVERHEAD
        rows = self._by_message[old.message_id]
        rows.remove(old)
        if not rows:
            del self._by_message[old.message_id]

    def _changed(self, row: LiveRow) -> None:
        self._version += 1
        row.version = self._version


def _person(body: Mapping[str, Any]) -> str:
    return str(body.get("userId") or body.get("anonymousId") or "")


def _object(value: bytes) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
