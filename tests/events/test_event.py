"""An event: its shape, and what normalising fills."""

from __future__ import annotations

from typing import Any

import pytest

from router.events.event import Limits, device_key, fallback_id, lacks_message_id, normalise, shape_problem
from router.events.parser import Repairs
from router.events.placeholders import Placeholders

LIMITS = Limits()
EVENT = {"type": "track", "event": "Order Completed", "userId": "u1", "messageId": "m1"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "tarck"}, "unknown_type"),
        ({"type": ["track"]}, "unknown_type"),
        ({"userId": None}, "no_id"),
        ({"userId": ""}, "no_id"),
        ({"userId": {"a": 1}}, "bad_id"),
        ({"userId": True}, "bad_id"),
        ({"event": ""}, "no_event"),
        ({"event": 5}, "no_event"),
        ({"type": "group"}, "no_group_id"),
        ({"type": "alias"}, "no_previous_id"),
        ({"messageId": "x" * 10_000}, "message_id_too_long"),
        ({"properties": []}, ""),
        ({"properties": [1]}, "not_an_object"),
        ({"context": {"traits": []}}, ""),
        ({"context": "x"}, "not_an_object"),
        ({"userId": 42}, ""),
        ({"properties": None}, ""),
        ({"type": "page"}, ""),
    ],
)
def test_shape(change: dict[str, Any], reason: str) -> None:
    """A body is an event when its type, ids and objects are what the spec says."""
    assert shape_problem({**EVENT, **change}, LIMITS, Repairs()) == reason


def test_ids_that_are_numbers_become_text() -> None:
    """Many servers send database ids as numbers; they are the same id as their text."""
    body = {**EVENT, "userId": 42}

    assert shape_problem(body, LIMITS, Repairs()) == ""
    assert body["userId"] == "42"


AT = 1_767_225_700_000  # 2026-01-01T00:01:40Z


@pytest.mark.parametrize(
    ("times", "timestamp"),
    [
        ({}, "2026-01-01T00:01:40.000Z"),
        ({"timestamp": "2025-12-31T00:00:00Z"}, "2025-12-31T00:00:00.000Z"),
        ({"timestamp": "2026-01-01T01:00:00Z", "sentAt": "2026-01-01T01:00:10Z"}, "2026-01-01T00:01:30.000Z"),
        (
            {"originalTimestamp": "2026-01-01T01:00:00+01:00", "sentAt": "2026-01-01T00:00:01"},
            "2026-01-01T00:01:39.000Z",
        ),
        ({"timestamp": "yesterday"}, "2026-01-01T00:01:40.000Z"),
        ({"timestamp": 17}, "2026-01-01T00:01:40.000Z"),
        ({"timestamp": "9999-12-31T23:59:59.999Z", "sentAt": "0001-01-01T00:00:00Z"}, "2026-01-01T00:01:40.000Z"),
        ({"timestamp": "9999-12-31T23:59:59Z"}, "9999-12-31T23:59:59.000Z"),
        ({"timestamp": "2026-01-01T00:00:00Z", "sentAt": "soon"}, "2026-01-01T00:00:00.000Z"),
    ],
)
def test_timestamp_is_corrected_for_clock_skew(times: dict[str, Any], timestamp: str) -> None:
    """timestamp = receivedAt - (sentAt - originalTimestamp); what cannot be computed is the receive time."""
    body = {**EVENT, **times}

    normalise(body, AT, "", Repairs())

    assert body["timestamp"] == timestamp
    assert body["receivedAt"] == "2026-01-01T00:01:40.000Z"
    assert body["originalTimestamp"] == (times.get("originalTimestamp") or times.get("timestamp") or body["receivedAt"])


@pytest.mark.parametrize(
    ("times", "repairs"),
    [
        ({"timestamp": "yesterday"}, {"unreadable_timestamp": 1}),
        ({"timestamp": {"$date": 1}}, {"unreadable_timestamp": 1}),
        ({"timestamp": "2026-01-01", "sentAt": "soon"}, {"unreadable_sent_at": 1}),
        ({"timestamp": "2026-01-01", "sentAt": ""}, {"unreadable_sent_at": 1}),
        ({"timestamp": "", "sentAt": None}, {}),
        ({"timestamp": 1_767_225_600}, {}),
    ],
)
def test_a_time_that_cannot_be_read_is_counted(times: dict[str, Any], repairs: dict[str, int]) -> None:
    counted = Repairs()

    normalise({**EVENT, **times}, AT, "", counted)

    assert counted == repairs


@pytest.mark.parametrize("field", ["properties", "traits", "context", "integrations"])
def test_an_empty_list_is_an_empty_object_of_php(field: str) -> None:
    body: dict[str, Any] = {**EVENT, field: []}
    repairs = Repairs()

    assert shape_problem(body, LIMITS, repairs) == ""
    assert body[field] == {}
    assert repairs == {"empty_list": 1}


def test_an_empty_list_inside_is_an_object_only_where_the_spec_says_so() -> None:
    body: dict[str, Any] = {
        **EVENT,
        "context": {"traits": {"address": []}, "device": [], "externalIds": []},
        "traits": {"company": [], "tags": []},
        "properties": {"products": []},
    }

    assert shape_problem(body, LIMITS, Repairs()) == ""

    assert body["context"] == {"traits": {"address": {}}, "device": {}, "externalIds": []}
    assert body["traits"] == {"company": {}, "tags": []}
    assert body["properties"] == {"products": []}


@pytest.mark.parametrize(
    ("message_id", "lacks", "counted"),
    [
        ("m1", False, 0),
        ("", True, 0),
        (None, True, 0),
        ("undefined", True, 1),
        ("00000000-0000-0000-0000-000000000000", True, 1),
        ("{{messageId}}", True, 1),
    ],
)
def test_a_placeholder_is_not_a_message_id(message_id: str | None, lacks: bool, counted: int) -> None:
    repairs = Repairs()

    assert lacks_message_id({**EVENT, "messageId": message_id}, Placeholders(), repairs) is lacks
    assert repairs["placeholder_message_id"] == counted


def test_normalising_again_changes_nothing() -> None:
    """An event that goes round by events.keyed keeps its times."""
    body = {**EVENT, "timestamp": "2026-01-01T01:00:00Z", "sentAt": "2026-01-01T01:00:10Z"}
    normalise(body, AT, "", Repairs())
    again = dict(body)

    normalise(again, AT, "", Repairs())

    assert again == body


def test_a_missing_message_id_is_the_hash_of_the_place() -> None:
    """The same place gives the same id; any other place gives another."""
    place = ("cluster", "events.raw", 3, 17, AT, 0)

    assert fallback_id(*place) == fallback_id(*place)
    assert fallback_id(*place) != fallback_id("cluster", "events.raw", 3, 17, AT, 1)


def test_device_key() -> None:
    """anonymousId, else userId."""
    assert device_key({"anonymousId": "a", "userId": "u"}) == b"a"
    assert device_key({"userId": "u"}) == b"u"
    assert device_key({}) is None


@pytest.mark.parametrize("kind", ["identify", "track", "page"])
@pytest.mark.parametrize("message_id", ["m1", 17])
def test_an_id_that_a_call_does_not_need_may_be_anything(kind: str, message_id: Any) -> None:
    body = {"type": kind, "event": "A", "userId": "u1", "messageId": message_id, "groupId": [], "previousId": {}}
    assert shape_problem(body, Limits(), Repairs()) == ""
