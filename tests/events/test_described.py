"""Topics and headers in words: all there are, and none besides."""

from __future__ import annotations

from router.agents.decode import _OURS
from router.events.described import HEADERS, MEANINGS
from router.events.event import Event, Invalid
from router.events.records import (
    DEAD_LETTER_HEADERS,
    FIRST_ORIGIN,
    REDRIVEN,
    REPLAY,
    RETRY_HEADERS,
    Place,
    Record,
    blocked_record,
    invalid_record,
    keyed_record,
)
from router.events.topics import DAY_MS, REGISTRY, Topics

PLACE = Place("events.raw", 0, 1)


def described(topic: str) -> set[str]:
    return {header.name for header in HEADERS if topic in header.topics}


def written(record: Record) -> set[str]:
    return {name for name, _ in record[3] or ()}


def test_every_topic_has_its_meaning() -> None:
    names = [spec.name for spec in Topics("shop").specs(["crm"], capped={"crm": DAY_MS})]
    general = [name.replace("shop.", "<topology>.").replace("dest.crm", "dest.<name>") for name in names]

    assert sorted(MEANINGS) == sorted([*general, REGISTRY.name])


def test_every_header_is_described_once() -> None:
    names = [header.name for header in HEADERS]

    assert len(set(names)) == len(names)
    assert set(names) == _OURS | DEAD_LETTER_HEADERS | RETRY_HEADERS | {"violations", "plan"}
    assert {topic for header in HEADERS for topic in header.topics} <= set(MEANINGS)


def test_the_headers_of_a_record_are_those_that_are_described() -> None:
    event = Event({"type": "track", "event": "A"}, "web", 0, 0, 1, b"k", None)
    event.type, event.name = "track", "A"
    raw = Invalid("not JSON", b"x" * 1_000_000)
    invalid = invalid_record("events.invalid", raw, PLACE, None, source="web", received=1)

    assert written(blocked_record("events.blocked", event, [], "shop 1")) == described("events.blocked")
    assert written(invalid) == described("events.invalid")
    assert written(keyed_record("events.keyed", event.body, "web", 1, PLACE, None)) == described("events.keyed")
    assert described("dest.<name>.dead") == DEAD_LETTER_HEADERS | {"source", "type", "event"}
    passed_on = {"source", "type", "event", REDRIVEN, FIRST_ORIGIN, REPLAY}
    assert described("dest.<name>.retry") == RETRY_HEADERS | passed_on
