"""Whatever the agents have written, the finder finds it: by messageId, by user id, by anonymous id."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.config.loader import Loaded
from router.events.event import device_key
from router.trace.finder import Finder
from router.trace.needles import holds, names_event, names_person, needles
from router.trace.records import Evidence
from router.trace.scan import Scanner
from router.trace.search import Question
from tests.trace.found import AT, topology
from tests.trace.memory_topics import MemoryTopics

IDS = st.sampled_from(["m1", "m10", "m2", 'ü/"', "42"])
PEOPLE = st.sampled_from(["u1", "u10", "a1", "ada@example.com"])
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"messageId": IDS, "type": st.sampled_from(["track", "identify", "nonsense"])},
        optional={"userId": PEOPLE, "anonymousId": PEOPLE},
    ),
    max_size=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return topology(tmp_path_factory.mktemp("shop"), {}, default_source="web", topics={"partitions": 3})


def find(topics: MemoryTopics, loaded: Loaded, asked: str, since: int = AT) -> tuple[list[str], Evidence]:
    finder = Finder(loaded, cast("Scanner", topics), Question(asked, since, AT + 3_600_000, 100))
    finder.find()
    return finder.ids, finder.found


def received(loaded: Loaded, events: list[dict[str, Any]]) -> MemoryTopics:
    topics = MemoryTopics(loaded)
    for number, event in enumerate(events):
        topics.receive(event | {"event": "Order"} if event["type"] == "track" else event, AT + 1000 * number)
    return topics


def is_event(event: dict[str, Any]) -> bool:
    return event["type"] != "nonsense" and ("userId" in event or "anonymousId" in event)


@settings(max_examples=20)
@given(EVENTS, IDS)
def test_an_event_is_found_by_its_message_id(shop: Loaded, events: list[dict[str, Any]], asked: str) -> None:
    """The one that passed in the clean stream, and every message with it in the partition of the first."""
    ids, found = find(received(shop, events), shop, asked)

    same = [event for event in events if event["messageId"] == asked]
    valid = [event for event in same if is_event(event)]
    assert ids == ([asked] if same else [])
    assert len(found.resolved) == bool(valid)
    if valid:
        devices = [device_key(event) for event in valid]
        assert len(found.received) >= Counter(devices)[devices[0]]
    assert all(one.body_of(asked) is not None for one in found.received)


@settings(max_examples=20)
@given(EVENTS, PEOPLE)
def test_a_person_is_found_by_any_id(shop: Loaded, events: list[dict[str, Any]], asked: str) -> None:
    ids, _ = find(received(shop, events), shop, asked)

    own = {event["messageId"] for event in events if asked == event.get("anonymousId", event.get("userId"))}
    first: dict[str, dict[str, Any]] = {}
    for event in filter(is_event, events):
        first.setdefault(event["messageId"], event)
    own |= {name for name, event in first.items() if event.get("userId") == asked}
    assert own <= set(ids)


def test_only_what_was_received_since_then_is_found(shop: Loaded) -> None:
    events = [{"messageId": f"m{number}", "type": "identify", "userId": "u1"} for number in range(5)]
    topics = received(shop, events)

    assert find(topics, shop, "u1", AT + 2500)[0] == ["m3", "m4"]
    assert find(topics, shop, "m1", AT + 2500)[0] == []
    assert find(topics, shop, "nobody@example.com") == ([], Evidence())


def test_an_event_without_an_id_is_found_by_the_one_it_was_given(shop: Loaded) -> None:
    topics = received(shop, [{"type": "identify", "userId": "u1"}])
    ((given_id,), _) = find(topics, shop, "u1")
    assert given_id.startswith("er-")

    ids, found = find(topics, shop, given_id)
    assert ids == [given_id]
    assert list(found.fallback.values()) == [given_id]
    assert (len(found.received), len(found.resolved)) == (1, 1)


@given(st.text(min_size=1), st.sampled_from(["orjson", "ascii", "spaces"]))
def test_an_id_is_recognised_however_it_is_spelled(text: str, how: str) -> None:
    body = {"messageId": text, "userId": text}
    try:
        value = orjson.dumps(body)
    except TypeError:
        how = "ascii"  # half a surrogate pair, which UTF-8 cannot write
    if how != "orjson":
        value = json.dumps(body, separators=(",", ":") if how == "ascii" else (" , ", " : ")).encode()

    assert holds(needles(text), value)
    assert names_event(body, text)
    assert names_person(body, text)


def test_an_id_is_compared_whole() -> None:
    assert not holds(needles("m1"), b'{"messageId":"m10"}')
    assert holds(needles("42"), b'{"userId":42}')
    assert holds(needles("a/b"), b'{"userId":"a\\/b"}')
    assert not names_person({"userId": 421, "traits": {"email": "ada@example.com"}}, "42")
    assert names_person({"traits": {"email": " Ada@Example.com"}}, "ada@example.com")
