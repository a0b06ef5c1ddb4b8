"""The message: splitting and normalising are total, limits hold, a bad item takes no neighbour with it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events.event import (
    Invalid,
    Limits,
    count_keys,
    depth,
    device_key,
    fallback_id,
    iso,
    milliseconds,
    normalise,
    shape_problem,
    split,
)

LIMITS = Limits()
EVENT = {"type": "track", "event": "Order Completed", "userId": "u1", "messageId": "m1"}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def reasons(value: bytes | None, limits: Limits = LIMITS) -> list[str]:
    return [item.reason if isinstance(item, Invalid) else "" for item in split(value, limits)]


def test_one_event_is_one_item() -> None:
    """A JSON object is one event, pretty-printed or not."""
    assert split(orjson.dumps(EVENT), LIMITS) == [EVENT]
    assert split(orjson.dumps(EVENT, option=orjson.OPT_INDENT_2), LIMITS) == [EVENT]


def test_lines_are_items_and_a_bad_line_takes_no_neighbour() -> None:
    """Newline-separated events are split; a broken line is invalid alone and keeps its bytes."""
    good = orjson.dumps(EVENT)

    items = split(good + b"\r\n{broken\n\n" + good + b"\n[1]\n", LIMITS)

    assert items == [EVENT, Invalid("not_json", b"{broken"), EVENT, Invalid("not_object", b"[1]")]


def test_a_spoiled_batch_keeps_its_good_items() -> None:
    """A NaN or a byte that is no UTF-8 in one item costs that item; batch-level fields still reach the others."""
    value = (
        b'{"sentAt": "2026-01-01T00:00:00Z", "batch": [{"type": "page", "a": NaN}, {"type": "page"}, {"b": "\xff"}]}'
    )

    items = split(value, LIMITS)

    assert items == [
        Invalid("not_json", b'{"type": "page", "a": NaN}'),
        {"type": "page", "sentAt": "2026-01-01T00:00:00Z"},
        Invalid("not_utf8", b'{"b": "\xff"}'),
    ]


def test_items_of_a_batch_share_nothing() -> None:
    """What an agent changes in one item leaves its neighbours alone."""
    first, second = split(orjson.dumps({"batch": [{}, {}], "context": {"app": {"name": "x"}}}), LIMITS)

    assert isinstance(first, dict)
    assert isinstance(second, dict)
    del first["context"]["app"]["name"]
    assert second["context"]["app"] == {"name": "x"}


def test_batch_fields_merge_into_items() -> None:
    """Batch-level sentAt, context and integrations reach the items; an item's own word wins, key by key."""
    batch = {
        "batch": [{"type": "page", "context": {"ip": "1.1.1.1"}}, 5, {"type": "page"}],
        "sentAt": "2026-01-01T00:00:00Z",
        "context": {"ip": "2.2.2.2", "locale": "de"},
        "integrations": {"All": False},
    }

    first, second, third = split(orjson.dumps(batch), LIMITS)

    assert isinstance(first, dict)
    assert first["context"] == {"ip": "1.1.1.1", "locale": "de"}
    assert first["sentAt"] == "2026-01-01T00:00:00Z"
    assert second == Invalid("not_object", b"5")
    assert isinstance(third, dict)
    assert third["integrations"] == {"All": False}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"{", "not_json"),
        (b'{"a": NaN}', "not_json"),
        (b'{"a": "\xff"}', "not_utf8"),
        (b"[]", "not_object"),
        (b"\x00\x00\x00\x00\x07\x02\x10abc", "binary_frame"),
        (b'{"schema": {}, "payload": {}}', "connect_envelope"),
        (b'{"batch": {}}', "batch_not_list"),
        (b'{"batch": []}', "empty"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "too_deep"),
        (b'{"a":' * 1100 + b"1" + b"}" * 1100, "not_json"),
        (orjson.dumps({str(n): n for n in range(2001)}), "too_many_keys"),
        (orjson.dumps({"a": "x" * 40_000}), "too_large"),
        (orjson.dumps({"batch": [{"a": "x" * 600_000}]}), "batch_too_large"),
    ],
)
def test_what_is_no_event_has_a_reason(value: bytes | None, reason: str) -> None:
    """Each kind of garbage gets its own reason."""
    assert reasons(value) == [reason]


def test_an_oversize_item_of_a_batch_is_invalid_alone() -> None:
    """The limit for one event holds inside a batch as well."""
    batch = {"batch": [EVENT, {"a": "x" * 40_000}, EVENT]}

    assert reasons(orjson.dumps(batch)) == ["", "too_large", ""]


def test_a_schema_registry_frame_before_json_is_stripped() -> None:
    """Byte 0 and a four-byte id before JSON are no part of the event."""
    assert split(b"\x00\x00\x00\x00\x01" + orjson.dumps(EVENT), LIMITS) == [EVENT]


@given(JSON)
def test_any_json_is_event_or_invalid(value: Any) -> None:
    """Whatever the JSON is, nothing raises, and a dict that passes has an event's shape."""
    for item in split(orjson.dumps(value), LIMITS):
        if isinstance(item, dict) and not shape_problem(item, LIMITS):
            normalise(item, 1_767_225_600_000, "spare")
            assert item["messageId"]


@given(st.binary())
def test_any_bytes_are_items(value: bytes) -> None:
    """Whatever the bytes are, there is at least one item and nothing raises."""
    assert split(value, LIMITS)


@given(JSON)
def test_the_cheap_bounds_never_refuse_what_the_count_allows(value: Any) -> None:
    """Depth and keys are counted without recursion and agree with a recursive count."""

    def deep(item: Any) -> int:
        if isinstance(item, dict | list):
            return 1 + max(map(deep, item.values() if isinstance(item, dict) else item), default=0)
        return 0

    assert depth(value) == deep(value)
    assert count_keys(value) <= orjson.dumps(value).count(b":")


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
        ({"properties": []}, "not_an_object"),
        ({"context": "x"}, "not_an_object"),
        ({"userId": 42}, ""),
        ({"properties": None}, ""),
        ({"type": "page"}, ""),
    ],
)
def test_shape(change: dict[str, Any], reason: str) -> None:
    """A body is an event when its type, ids and objects are what the spec says."""
    assert shape_problem({**EVENT, **change}, LIMITS) == reason


def test_ids_that_are_numbers_become_text() -> None:
    """Many servers send database ids as numbers; they are the same id as their text."""
    body = {**EVENT, "userId": 42}

    assert shape_problem(body, LIMITS) == ""
    assert body["userId"] == "42"


AT = 1_767_225_700_000  # 2026-01-01T00:01:40Z


@pytest.mark.parametrize(
    ("times", "timestamp"),
    [
        ({}, "2026-01-01T00:01:40.000Z"),
        ({"timestamp": "2025-12-31T00:00:00Z"}, "2025-12-31T00:00:00Z"),
        ({"timestamp": "2026-01-01T01:00:00Z", "sentAt": "2026-01-01T01:00:10Z"}, "2026-01-01T00:01:30.000Z"),
        (
            {"originalTimestamp": "2026-01-01T01:00:00+01:00", "sentAt": "2026-01-01T00:00:01"},
            "2026-01-01T00:01:39.000Z",
        ),
        ({"timestamp": "yesterday"}, "2026-01-01T00:01:40.000Z"),
        ({"timestamp": 17}, "2026-01-01T00:01:40.000Z"),
        ({"timestamp": "9999-12-31T23:59:59.999Z", "sentAt": "0001-01-01T00:00:00Z"}, "2026-01-01T00:01:40.000Z"),
        ({"timestamp": "9999-12-31T23:59:59Z"}, "9999-12-31T23:59:59Z"),
        ({"timestamp": "2026-01-01T00:00:00Z", "sentAt": "soon"}, "2026-01-01T00:00:00Z"),
    ],
)
def test_timestamp_is_corrected_for_clock_skew(times: dict[str, Any], timestamp: str) -> None:
    """timestamp = receivedAt - (sentAt - originalTimestamp); what cannot be computed is the receive time."""
    body = {**EVENT, **times}

    normalise(body, AT, "spare")

    assert body["timestamp"] == timestamp
    assert body["receivedAt"] == "2026-01-01T00:01:40.000Z"
    assert body["originalTimestamp"] == (times.get("originalTimestamp") or times.get("timestamp") or body["receivedAt"])


def test_normalising_again_changes_nothing() -> None:
    """An event that goes round by events.keyed keeps its times."""
    body = {**EVENT, "timestamp": "2026-01-01T01:00:00Z", "sentAt": "2026-01-01T01:00:10Z"}
    normalise(body, AT, "spare")
    again = dict(body)

    normalise(again, AT, "other")

    assert again == body


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_times_round_trip(ms: int) -> None:
    """Milliseconds survive the text."""
    assert milliseconds(iso(ms)) == ms


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
