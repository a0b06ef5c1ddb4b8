"""What goes to `delivery.log`: one record for each outcome, code and source since the last one, with masked samples.

A record is JSON: `time`, `destination`, `outcome` (delivered, unconfirmed, filtered, retry, refused, dead), `code` in
Segment's words (empty when delivered, the reason when filtered), `source`, `count`, `attempts` (their sum),
`latency_ms` (of events that were accepted, from receive time: `sum`, `p50`, `p95`, `max`) and, for failures, up to
three `samples` of `event`, `request`, `response` and `detail`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from router.delivery.item import Item
from router.destinations.base import Outcome
from router.events.records import Record
from router.mask import Mask

SAMPLES = 3
LONGEST = 4_000  # characters of each text in a sample
Result = Literal["delivered", "unconfirmed", "filtered", "retry", "refused", "dead"]


@dataclass(slots=True)
class _Group:
    count: int = 0
    attempts: int = 0
    latencies: list[float] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)


class Journal:
    """Collects outcomes of one destination until `records` takes them."""

    def __init__(self, destination: str, topic: str, mask: Mask) -> None:
        self._destination = destination
        self._topic = topic
        self._mask = mask
        self._groups: dict[tuple[Result, str, str], _Group] = {}

    def __bool__(self) -> bool:
        return bool(self._groups)

    def accepted(self, result: Result, item: Item, latency: float | None) -> None:
        """The partner took an event, `latency` seconds after it was received."""
        group = self._group(result, "", item)
        if latency is not None:
            group.latencies.append(latency)

    def filtered(self, reason: str, item: Item) -> None:
        """The mapping does not send an event."""
        self._group("filtered", reason, item)

    def failed(
        self, result: Result, code: str, item: Item, outcome: Outcome | None = None, batch: Sequence[Item] = ()
    ) -> None:
        """An event was not taken; `batch` are the events of the same request."""
        group = self._group(result, code, item)
        if len(group.samples) < SAMPLES:
            group.samples.append(self._sample(item, outcome, batch))

    def _group(self, result: Result, code: str, item: Item) -> _Group:
        key = (result, code, item.delivery.source)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group()
        group.count += 1
        group.attempts += item.attempts
        return group

    def records(self, now: float) -> list[Record]:
        """The records since the last call; `now` in seconds since 1970."""
        groups, self._groups = self._groups, {}
        time = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        key = self._destination.encode()
        return [(self._topic, self._value(time, names, group), key, None) for names, group in groups.items()]

    def _value(self, time: str, names: tuple[Result, str, str], group: _Group) -> bytes:
        result, code, source = names
        value: dict[str, Any] = {
            "time": time, "destination": self._destination, "outcome": result, "code": code, "source": source,
            "count": group.count, "attempts": group.attempts,
        }  # fmt: skip
        if group.latencies:
            value["latency_ms"] = _summary(group.latencies)
        if group.samples:
            value["samples"] = group.samples
        return orjson.dumps(value)

    def _sample(self, item: Item, outcome: Outcome | None, batch: Sequence[Item]) -> dict[str, Any]:
        """Event, request, answer: without secrets and masked fields, also where the answer quotes them."""
        mask, body = self._mask, item.delivery.body
        event = mask.value(body)
        text = orjson.dumps(event).decode()
        sample: dict[str, Any] = {"origin": item.origin, "event": event if len(text) <= LONGEST else text[:LONGEST]}
        if outcome is not None:
            echoes = frozenset().union(*[mask.hidden(one.delivery.body) for one in batch or (item,)])
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
