"""The native scanner: what it takes is what the agents make, and where it may not be used it is not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ops import scan_fuzz
from ops.scan_fuzz import LANES, Told, pipeline
from router import metrics
from router.agents.agent import Agent, RouteKey
from router.agents.pipeline import Pipeline
from router.agents.scan import CHECKED, FEWEST, Scan
from router.events.event import Event
from router.native import library
from router.native.library import native

built = pytest.mark.skipif(native().library is None, reason=f"the native library is {native()}")


def told(count: int, **fields: Any) -> list[Told]:
    """Events that conform to the plan."""
    properties = {"order_id": "o1", "total": 9.5}
    body = {"type": "track", "event": "Order Completed", "anonymousId": "a1", "properties": properties, **fields}
    return [Told(orjson.dumps({**body, "messageId": f"message-{number}"}), number) for number in range(count)]


def taken(made: Pipeline, messages: list[Told]) -> int:
    assert made.scan is not None
    return sum(one is not None for one in made.scan.events(messages, [each.raw for each in messages], LANES))


def learned(messages: list[Told]) -> Pipeline:
    made = pipeline(native=True)
    made.run(messages[:1], LANES)
    return made


@built
def test_mutated_events_come_out_as_without_it() -> None:
    """More of them: `python -m ops.scan_fuzz --inputs 10000000`."""
    count, found = scan_fuzz.run(1600, seed=1)

    assert found == []
    assert count > 100


@built
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"sentAt": "2026-11-27T10:00:00.000Z", "timestamp": "2026-11-27T09:59:58.250Z"}, True),
        ({"integrations": {}, "context": {"ip": "203.0.113.9"}, "extra": {"a": [1, {"b": None}]}}, True),
        ({"type": "screen", "properties": {"any": "thing"}}, True),
        ({"properties": {"order_id": "o1", "total": -1}}, False),
        ({"properties": {"order_id": "o1", "total": 1, "unplanned": 1}}, False),
        ({"integrations": {"All": False}}, False),
        ({"context": {"traits": {"email": "a@example.com"}}}, False),
        ({"context": {"protocols": {"event_version": 2}}}, False),
        ({"timestamp": "2026-11-27T10:00:00+01:00"}, False),
        ({"extra": []}, False),
        ({"extra": 12345678901234567}, False),
        ({"type": "identify", "traits": {}}, False),
        ({"anonymousId": "", "userId": None}, False),
        ({"anonymousId": 7}, False),
        ({"writeKey": "other"}, False),
        ({"event": "Nobody plans it"}, False),
    ],
)
def test_an_event_is_taken_only_where_all_is_certain(fields: dict[str, Any], expected: bool) -> None:
    messages = told(FEWEST, **fields)
    made = learned(messages)

    assert taken(made, messages) == (FEWEST if expected else 0)
    assert made.run(messages, LANES) == _after_one(pipeline(native=False), messages)


def _after_one(made: Pipeline, messages: list[Told]) -> object:
    made.run(messages[:1], LANES)
    return made.run(messages, LANES)


@built
def test_ids_that_are_placeholders_are_left_to_the_reader() -> None:
    messages = [Told(one.raw.replace(b"message-%d" % one.number, b"undefined"), one.number) for one in told(FEWEST)]

    assert taken(learned(told(1)), messages) == 0


class Curious(Agent):
    """Looks into the events of one source."""

    name = "curious"

    def compile(self, key: RouteKey) -> Any:
        return self.prepare if key[0] == "web" else None

    def prepare(self, event: Event) -> object:
        return False


@built
def test_an_agent_that_looks_into_events_keeps_them_from_it() -> None:
    plain = pipeline(native=True)
    made = Pipeline([plain.decode, *plain.agents[:-1], Curious(), plain.agents[-1]])
    made.run(told(1), LANES)

    assert taken(made, told(FEWEST)) == 0


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.SWITCH, "0")

    assert pipeline(native=True).scan is None


def checks(outcome: str) -> float:
    return float(metrics.SCAN_CHECKS.labels(outcome)._value.get())


@built
def test_one_of_a_thousand_goes_both_ways_and_a_difference_switches_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = told(CHECKED + FEWEST)
    same, different = checks("same"), checks("different")
    made = learned(messages)
    assert taken(made, messages) == len(messages)
    assert checks("same") == same + 1

    assert made.scan is not None
    monkeypatch.setattr(made.scan, "_prepare", lambda event: setattr(event, "mark", b"xx"))
    assert taken(made, messages) == 0
    assert taken(made, messages) == 0
    assert checks("different") == different + 1
    monkeypatch.undo()
    assert made.run(messages, LANES) == _after_one(pipeline(native=False), messages)
    assert isinstance(made.scan, Scan)
