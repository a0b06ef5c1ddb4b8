"""What keeps a destination's events back, filter by filter: the newest events asked again, with the files in force now.

Totals by reason ride with committed offsets, but do not say which filter it was. So the newest events that were routed
meet the rules once more, without being sent anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import Message

from router.agents.filter import Filter, FilterEvents, compiled
from router.config.loader import Loaded
from router.console.sight import Sight
from router.errors import RouterError
from router.events.event import Event
from router.events.parser import JsonError, Repairs, parse
from router.kafka.admin import Admin, Watermarks
from router.kafka.span import span
from router.replay.current_rules import OTHER_SOURCE, CurrentRules
from router.replay.dead_letters import ends

NEWEST = 1_000
SAMPLES = 3
_KEYS = {
    "type": "types", "event": "events", "consent": "consent", "device_mode": "device_mode", OTHER_SOURCE: "sources",
}  # fmt: skip


@dataclass(slots=True)
class KeptBack:
    """By one rule: how many, and the newest of them by messageId and name."""

    count: int = 0
    samples: list[tuple[str, str]] = field(default_factory=list)

    def add(self, message_id: str, name: str) -> None:
        self.count += 1
        self.samples = [(message_id, name), *self.samples][:SAMPLES]


@dataclass(slots=True)
class FilteredEvents:
    """Of `looked` events `passed` would go there; the others are kept back, by the rule's place in the topology."""

    looked: int = 0
    passed: int = 0
    rules: dict[str, KeptBack] = field(default_factory=dict)


class FilteringRules:
    """Of one destination, as its topology is now."""

    def __init__(self, loaded: Loaded, destination: str) -> None:
        self._place = f"destinations.{destination}"
        self._rules = CurrentRules(loaded, destination, sampled=False, hashed=False)
        self._filters: list[Filter] = [compiled(one) for one in loaded.topology.destinations[destination].filters]

    def refusal(self, value: bytes, source: str) -> str:
        """The place of the rule that keeps an event back; empty where none does."""
        reason = self._rules.judge(value, source).refusal
        if reason in FilterEvents.reasons:
            return self._filter(value, source)
        return f"{self._place}.{_KEYS[reason]}" if reason in _KEYS else reason

    def _filter(self, value: bytes, source: str) -> str:
        event = Event(parse(value, Repairs()), source, 0, 0, 0, None, None)
        number = next(number for number, one in enumerate(self._filters) if isinstance(one(event), str))
        return f"{self._place}.filters[{number}]"


def filtered(events: Iterable[tuple[bytes, str]], rules: FilteringRules) -> FilteredEvents:
    """Of events, the oldest first, each with its source."""
    found = FilteredEvents()
    for value, source in events:
        found.looked += 1
        place = rules.refusal(value, source)
        for one in dict.fromkeys((place, place.partition("[")[0])):  # a filter, and all filters together
            if one:
                found.rules.setdefault(one, KeptBack()).add(*_names(value))
        found.passed += not place
    return found


def read_filtered(sight: Sight, destination: str) -> FilteredEvents:
    """Of the newest events that were routed. Raises Unavailable; RouterError where they are not kept."""
    topic = sight.topics.resolved
    if not sight.loaded.topology.topics.resolved:
        raise RouterError("the topology has `topics: {resolved: false}`: what was routed is not kept")
    bounds = ends(Admin(sight.cluster), topic)
    each = max(1, NEWEST // max(1, len(bounds)))
    newest = [
        message
        for number, at in bounds.items()
        for messages in span(sight.cluster, topic, number, *_last(at, each))
        for message in messages
    ]
    newest.sort(key=lambda message: message.timestamp()[1])
    rules = FilteringRules(sight.loaded, destination)
    return filtered(((message.value() or b"", _source(message)) for message in newest), rules)


def _last(at: Watermarks, count: int) -> tuple[int, int]:
    return max(at.low, at.high - count), at.high


def _source(message: Message) -> str:
    named: Mapping[str, bytes | str | None] = dict(message.headers() or ())
    value = named.get("source")
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""


def _names(value: bytes) -> tuple[str, str]:
    """An event's messageId, and what it is called."""
    try:
        body = parse(value, Repairs())
    except JsonError:
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    return str(body.get("messageId", "")), str(body.get("event") or body.get("name") or body.get("type") or "")
