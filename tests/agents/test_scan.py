"""The native scanner: what it takes is what the agents make, and where it may not be used it is not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import orjson
import pytest

from ops import scan_fuzz
from ops.scan_fuzz import LANES, Told, pipeline
from router import metrics
from router.agents.agent import Agent, RouteKey
from router.agents.pipeline import Pipeline
from router.agents.scan import CHECKED, FEWEST, Scan
from router.agents.scan_kinds import MOST_KINDS
from router.events.event import Event
from router.events.fans import Fans
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
    found = made.scan.events(messages, np.zeros(len(messages), dtype=np.int64))
    return len(messages) - len(found.left) if found else 0


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
        ({"properties": {"order_id": "o1", "total": -1}}, True),  # allowed, and told
        ({"properties": {"order_id": "o1", "total": 1, "unplanned": 1}}, True),
        ({"properties": {"order_id": "o1", "total": "x", "channel": 5, "currency": "eur", "products": [{}]}}, True),
        ({"properties": {"order_id": "o1", "total": 1, "products": []}}, True),
        (
            {"properties": {"order_id": "o1", "total": 1, "email": "Ada@example.com", "url": "https://example.com/"}},
            True,
        ),
        ({"properties": {"order_id": "o1", "total": 1, "email": '"a b"@example.com', "url": "urn:a:b"}}, True),  # asked
        ({"properties": {"order_id": "o1", "total": 1, "email": "nobody"}}, True),
        ({"integrations": {"All": False}}, True),
        ({"integrations": {"All": False, "CRM": True}, "_metadata": {"bundled": ["CRM"], "unbundled": []}}, True),
        ({"context": {"traits": {"email": "a@example.com"}}}, True),
        ({"context": {"externalIds": [{"type": "crm", "id": "c1"}], "page": {"url": "https://example.com/a"}}}, True),
        ({"context": {"page": {"url": "/a"}}}, True),
        ({"context": {"page": []}}, False),
        ({"context": {"traits": {"address": []}}}, False),
        ({"context": {"protocols": {"event_version": 2}}}, False),
        ({"timestamp": "2026-11-27T10:00:00.123456789+01:00"}, True),
        ({"timestamp": "2026-11-27 10:00:00"}, False),
        ({"extra": []}, True),
        ({"extra": 12345678901234567}, False),
        ({"type": "identify", "traits": {"email": "a@example.com"}}, True),
        ({"type": "identify", "traits": {"address": []}}, False),
        ({"type": "group", "groupId": "g1", "traits": {"name": "Shop"}}, True),
        ({"type": "group", "groupId": 7}, False),
        ({"type": "group", "groupId": "g1", "previousId": 7}, False),
        ({"type": "alias", "previousId": "a0", "userId": "u1"}, False),
        ({"type": "screen", "name": "Start", "properties": {"path": "/a"}}, True),
        ({"type": "screen", "name": "Other", "properties": {"path": "/a"}}, False),
        ({"event": "Counted", "properties": {"n": 2}}, True),
        ({"event": "Counted", "properties": {"n": 3}}, False),
        ({"profileId": "p"}, False),
        ({"anonymousId": "", "userId": None}, False),
        ({"anonymousId": 7}, False),
        ({"writeKey": "other"}, False),
        ({"event": "Nobody plans it"}, True),  # allowed as well
        ({"event": "Nobody plans it", "context": {"locale": "longer"}}, True),
    ],
)
def test_an_event_is_taken_only_where_all_is_certain(fields: dict[str, Any], expected: bool) -> None:
    messages = told(FEWEST, **fields)
    made = learned(messages)

    assert taken(made, messages) == (FEWEST if expected else 0)
    assert made.run(messages, LANES) == _after_one(pipeline(native=False), messages)


@built
@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"order_id": "o1", "total": 1, "more": 1}, True),
        ({"order_id": "o1", "total": -1, "more": 1}, False),
        ({"order_id": "o1", "total": 1, "email": '"a b"@example.com'}, True),
        ({"order_id": "o1", "total": 1, "email": "nobody"}, False),
    ],
)
def test_what_the_plan_blocks_takes_the_long_way_and_what_it_allows_does_not(
    properties: dict[str, Any], expected: bool
) -> None:
    messages = [one._replace(write_key=b"shop-key") for one in told(FEWEST, properties=properties)]
    made = learned([one._replace(write_key=b"shop-key") for one in told(1)])

    assert taken(made, messages) == (FEWEST if expected else 0)
    assert made.run(messages, LANES) == _after_one(pipeline(native=False), messages)


@built
def test_names_that_no_plan_knows_leave_room_for_others() -> None:
    made = pipeline(native=True)
    for number in range(MOST_KINDS + 10):
        made.run(told(1, event=f"Unplanned {number}"), LANES)
    made.run(told(1), LANES)

    assert taken(made, told(FEWEST, event="Unplanned 1")) == FEWEST
    assert taken(made, told(FEWEST, event=f"Unplanned {MOST_KINDS}")) == 0
    assert taken(made, told(FEWEST)) == FEWEST


@built
@pytest.mark.parametrize(
    "fields",
    [
        {"properties": {"order_id": "o1", "total": "x", "channel": 5, "more": [1], "products": [{"price": "y"}]}},
        {"properties": {"order_id": "o1", "total": 1, "more": 1}, "context": {"locale": "much too long"}},
        {"event": "Nobody plans it", "context": {"page": "/a"}, "integrations": {"CRM": False}},
    ],
)
def test_what_the_plan_omits_is_kept_apart(fields: dict[str, Any]) -> None:
    def sent(count: int, **fields: Any) -> list[Told]:
        return [one._replace(write_key=b"lab-key") for one in told(count, **fields)]

    made, messages = learned(sent(1, event=fields.get("event", "Order Completed"))), sent(FEWEST, **fields)
    named = [
        one._replace(raw=one.raw.replace(b'"context":{', b'"context":{"traits":{"email":"a@b.co"},'))
        for one in messages
    ]

    assert taken(made, messages) < FEWEST  # there was no room
    assert taken(made, messages) == FEWEST
    assert made.run(messages, LANES) == _after_one(pipeline(native=False), messages)
    assert taken(made, named) == (0 if "context" in fields else FEWEST)  # it may be known by what it loses


@built
def test_events_that_break_their_plan_in_many_ways_are_written_together() -> None:
    messages = [
        one._replace(raw=one.raw.replace(b'"total":9.5', b'"total":9.5,"x%d":1' % one.number)) for one in told(300)
    ]
    made, other = learned([Told(told(1)[0].raw.replace(b"message-", b"other-"), 0)]), pipeline(native=False)

    assert taken(made, messages) == 300
    batch = made.run(messages, LANES)
    assert isinstance(batch.fans, Fans)
    assert len(batch.fans.kinds) == 1
    assert sum(topic == scan_fuzz.TOPICS.violations for topic, *_ in batch.records) == 300
    assert batch == other.run(messages, LANES)


def _after_one(made: Pipeline, messages: list[Told]) -> object:
    made.run(messages[:1], LANES)
    return made.run(messages, LANES)


@built
def test_ids_that_are_placeholders_are_left_to_the_reader() -> None:
    messages = [Told(one.raw.replace(b"message-%d" % one.number, b"undefined"), one.number) for one in told(FEWEST)]

    assert taken(learned(told(1)), messages) == 0


@built
@pytest.mark.parametrize(
    "spelled", [lambda raw: raw.replace(b":", b" :\t"), lambda raw: raw.replace(b"o1", b"\\u006f\\/")]
)
def test_json_in_another_spelling_is_taken(spelled: Any) -> None:
    messages = [one._replace(raw=spelled(one.raw)) for one in told(FEWEST)]

    assert taken(learned(told(1)), messages) == FEWEST


@built
def test_what_the_gateway_says_in_headers_does_not_keep_an_event_from_it() -> None:
    messages = [one._replace(write_key=b"web-key") for one in told(FEWEST)]

    assert taken(learned(messages), messages) == FEWEST
    assert taken(learned(messages), [one._replace(write_key=b"unknown") for one in messages]) == 0


class Curious(Agent):
    """Looks into the events of one source, and ends those of one person."""

    name = "curious"

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def compile(self, key: RouteKey) -> Any:
        return self.prepare if key[0] == "web" else None

    def prepare(self, event: Event) -> object:
        self.seen.append(event.body)
        return event.body["anonymousId"] == "a2"


def among(agents: Sequence[Agent], one: Agent, at: int) -> Pipeline:
    made = Pipeline([agents[0], *agents[1 : at % len(agents)], one, *agents[at % len(agents) :]])
    made.run(told(1), LANES)
    return made


@built
def test_an_agent_before_route_that_looks_into_events_keeps_them_from_it() -> None:
    plain = pipeline(native=True)

    assert taken(among([plain.decode, *plain.agents], Curious(), 2), told(FEWEST)) == 0


@built
def test_an_agent_behind_route_looks_into_what_it_made() -> None:
    plain, curious = pipeline(native=True), Curious()
    made = among([plain.decode, *plain.agents], curious, -1)
    curious.seen.clear()

    assert taken(made, told(FEWEST)) == FEWEST
    assert [set(body) >= {"receivedAt", "originalTimestamp", "context"} for body in curious.seen] == [True] * FEWEST
    assert taken(made, told(FEWEST, anonymousId="a2")) == 0


class Reader(Curious):
    """Says what it needs."""

    def reads(self, key: RouteKey, destinations: Collection[str]) -> Collection[str]:
        return ("anonymousId", "properties", "context")


@built
def test_an_agent_that_says_what_it_needs_gets_that_and_the_plan_that_was_asked() -> None:
    plain, reader = pipeline(native=True), Reader()
    made = among([plain.decode, *plain.agents], reader, -1)
    reader.seen.clear()
    messages = told(FEWEST, context={"locale": "de-DE"})

    assert taken(made, messages) == FEWEST
    properties = {"order_id": "o1", "total": 9.5}
    context = {"locale": "de-DE", "protocols": {"plan": "fuzz@abc"}}
    assert reader.seen == [{"anonymousId": "a1", "properties": properties, "context": context}] * FEWEST
    assert taken(made, told(FEWEST, anonymousId="a2")) == 0
    reader.seen.clear()
    assert taken(made, told(FEWEST, anonymousId=None, userId="u1")) == FEWEST
    assert all("messageId" in body for body in reader.seen)  # of an event without that id it gets the whole


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
