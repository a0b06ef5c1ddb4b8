"""What delivery writes beside offsets: the delivery log, dead letters, and the error codes in both.

`delivery.log` gets one record for each outcome, code and source since the last one. A record is JSON: `time`,
`destination`, `outcome` (delivered, unconfirmed, filtered, retry, refused, dead), `code` in Segment's words (empty when
delivered, the reason when filtered), `source`, `replay` (its id, of events that a replay sent), `count`, `attempts`
(their sum), `latency_ms` (of events that were accepted, from receive time: `sum`, `p50`, `p95`, `max`), `events` (of
those delivered, unconfirmed or filtered, as far as the destination's `delivery.log` names them: `[messageId, attempts,
ms from receive time to the answer]`, ms null for redriven, replayed and filtered ones) and, for failures, up to three
`samples` of `event`, `request`, `response` and `detail`, masked. A group with many ids is written as several records. A
dead letter is the event exactly as it was, with the reason in its headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from router.config.delivery_log import LOG_ALL, LogConfig
from router.delivery.item import QueuedEvent
from router.destinations.base import Outcome
from router.events.records import DEAD_LETTER_HEADERS, Record
from router.mask import Mask

SAMPLES = 3
LONGEST_ANSWER = 1_000  # characters, in a dead letter's header
LONGEST = 4_000  # characters of each text in a sample
Result = Literal["delivered", "unconfirmed", "filtered", "retry", "refused", "dead"]
NAMED_CHARACTERS = 64_000  # of the ids in one record
LARGEST = 1_000_000  # bytes of value, key and headers that are kept whole
KEPT_OF_OVERSIZE = 64 * 1024
_REASON = re.compile(r"[a-z0-9_]{1,40}\Z")
_CODE = re.compile(r"[A-Z0-9_]{1,32}\Z")
OTHER = "OTHER"


def label(code: str) -> str:
    """A code that is fit to be a metric's label, whatever a connector said."""
    return code if _CODE.match(code) else OTHER


def reason_label(reason: str) -> str:
    """Why a mapping does not send an event, fit to be a metric's label."""
    return reason if _REASON.match(reason) else "mapping"


def discarded(code: str) -> str:
    """Of an event that was given up."""
    return f"errors.discarded.{label(code)}"


def awaiting_retry(code: str) -> str:
    """Of an event that will be tried again."""
    return f"errors.awaiting-retry.{label(code)}"


def dead_letter(topic: str, item: QueuedEvent, code: str, stage: str) -> Record:
    """A message for `dest.<name>.dead`: value, key and headers as they came.

    Added are `error-code`, `error-stage` (read or deliver), `attempts`, `origin` (topic:partition:offset) and
    `partner-answer`: what the partner said, masked, at most 1,000 characters; missing where its time ended while the
    partner was not asked. What no longer fits a message with them is kept as its first 64 KiB, its whole length in the
    header `length`.
    """
    added = [
        ("error-code", label(code).encode()),
        ("error-stage", stage.encode()),
        ("attempts", str(item.attempts).encode()),
        ("origin", item.origin.encode()),
        *([("partner-answer", item.answer.encode())] if item.answer else []),
    ]
    own = [(name, raw) for name, raw in item.headers if name not in DEAD_LETTER_HEADERS]
    value = item.value
    size = len(value or b"") + len(item.key or b"") + sum(len(name) + len(raw or b"") + 10 for name, raw in own)
    if value is not None and size > LARGEST:
        added.append(("length", str(len(value)).encode()))
        value = value[:KEPT_OF_OVERSIZE]
        own = [(name, raw) for name, raw in own if name in ("source", "type", "event")]
    return topic, value, item.key, [*own, *added]  # type: ignore[return-value]  # a value may be missing: a tombstone


@dataclass(slots=True)
class _Group:
    count: int = 0
    attempts: int = 0
    latencies: list[float] = field(default_factory=list)
    events: list[tuple[str, int, int | None]] = field(default_factory=list)
    characters: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list)


class DeliveryLog:
    """Collects outcomes of one destination until `records` takes them."""

    def __init__(self, destination: str, topic: str, mask: Mask, named: LogConfig = LOG_ALL) -> None:
        self._destination = destination
        self._topic = topic
        self._mask = mask
        self._named = named
        self._groups: dict[tuple[Result, str, str, str], _Group] = {}
        self._full: list[tuple[tuple[Result, str, str, str], _Group]] = []

    def __bool__(self) -> bool:
        return bool(self._groups or self._full)

    def accepted(self, result: Result, item: QueuedEvent, latency: float | None) -> None:
        """The partner took an event, `latency` seconds after it was received."""
        group = self._group(result, "", item)
        if latency is not None:
            group.latencies.append(latency)
        self._name(group, item, latency)

    def filtered(self, reason: str, item: QueuedEvent) -> None:
        """The mapping does not send an event."""
        self._name(self._group("filtered", reason, item), item, None)

    def _name(self, group: _Group, item: QueuedEvent, latency: float | None) -> None:
        message_id = item.delivery.body.get("messageId")
        if self._named.names(message_id):
            group.events.append((message_id, item.attempts, None if latency is None else round(latency * 1000)))
            group.characters += len(message_id)

    def failed(
        self,
        result: Result,
        code: str,
        item: QueuedEvent,
        outcome: Outcome | None = None,
        batch: Sequence[QueuedEvent] = (),
    ) -> None:
        """An event was not taken; `batch` are the events of the same request."""
        group = self._group(result, code, item)
        if len(group.samples) < SAMPLES:
            group.samples.append(self._sample(item, outcome, batch))

    def _group(self, result: Result, code: str, item: QueuedEvent) -> _Group:
        key = (result, code, item.delivery.source, item.replay)
        group = self._groups.get(key)
        if group is not None and group.characters > NAMED_CHARACTERS:
            self._full.append((key, group))
            group = None
        if group is None:
            group = self._groups[key] = _Group()
        group.count += 1
        group.attempts += item.attempts
        return group

    def records(self, now: float) -> list[Record]:
        """The records since the last call; `now` in seconds since 1970."""
        groups = [*self._full, *self._groups.items()]
        self._groups, self._full = {}, []
        time = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        key = self._destination.encode()
        return [(self._topic, self._value(time, names, group), key, None) for names, group in groups]

    def _value(self, time: str, names: tuple[Result, str, str, str], group: _Group) -> bytes:
        result, code, source, replay = names
        value: dict[str, Any] = {
            "time": time, "destination": self._destination, "outcome": result, "code": code, "source": source,
            "count": group.count, "attempts": group.attempts,
        }  # fmt: skip
        if replay:
            value["replay"] = replay
        if group.latencies:
            value["latency_ms"] = _summary(group.latencies)
        if group.events:
            value["events"] = group.events
        if group.samples:
            value["samples"] = group.samples
        return orjson.dumps(value)

    def answer(self, item: QueuedEvent, outcome: Outcome, batch: Sequence[QueuedEvent] = ()) -> str:
        """What the partner said, for the dead letter's headers: the response, else our words for what happened."""
        echoes = self._echoes(item, batch)
        if outcome.exchange is not None and outcome.exchange.response:
            return _masked(self._mask, outcome.exchange.response, echoes)[:LONGEST_ANSWER]
        return self._mask.text(outcome.detail, echoes)[:LONGEST_ANSWER]

    def _echoes(self, item: QueuedEvent, batch: Sequence[QueuedEvent]) -> frozenset[str]:
        """Hidden values of the request's events, which an answer may quote."""
        return frozenset().union(*[self._mask.hidden(one.delivery.body) for one in batch or (item,)])

    def _sample(self, item: QueuedEvent, outcome: Outcome | None, batch: Sequence[QueuedEvent]) -> dict[str, Any]:
        """Event, request, answer: without secrets and masked fields, also where the answer quotes them."""
        mask, body = self._mask, item.delivery.body
        event = mask.value(body)
        text = orjson.dumps(event).decode()
        sample: dict[str, Any] = {"origin": item.origin, "event": event if len(text) <= LONGEST else text[:LONGEST]}
        if outcome is not None:
            echoes = self._echoes(item, batch)
            sample["detail"] = mask.text(outcome.detail, echoes)
            if outcome.exchange is not None:
                sample["request"] = _masked(mask, outcome.exchange.request, echoes)
                sample["response"] = _masked(mask, outcome.exchange.response, echoes)
        return sample


def _masked(mask: Mask, text: str, echoes: Iterable[str]) -> str:
    """A head, an empty line and a body that may be JSON; cut only afterwards, so that it can be read."""
    head, line, body = text.partition("\n\n")
    return (mask.text(head, echoes) + line + mask.json_text(body, echoes))[:LONGEST]


def _summary(latencies: Sequence[float]) -> dict[str, float]:
    ordered = sorted(latencies)
    last = len(ordered) - 1
    values = {"sum": sum(ordered), "p50": ordered[last // 2], "p95": ordered[int(last * 0.95)], "max": ordered[last]}
    return {name: round(value * 1000, 3) for name, value in values.items()}
