"""An event in, rows out."""

from __future__ import annotations

from typing import Any

import pytest

from router.warehouse.rows import EventRows, event_rows

AT = "2026-01-01T10:00:00.000Z"
COMMON = {"messageId": "m1", "userId": "u1", "anonymousId": "a1", "receivedAt": AT, "timestamp": AT}
ROW = {"id": "m1", "user_id": "u1", "anonymous_id": "a1", "received_at": AT, "timestamp": AT}


def rows(kind: str, **fields: Any) -> EventRows:
    return event_rows({"type": kind, **COMMON, **fields}, "e1", "p1")


def identity(kind: str, value: str) -> tuple[str, dict[str, Any]]:
    return "user_identities", {
        "id": f"{kind}:{value}", "canonical_segment_id": "p1", "type": kind, "value": value, "seq": 1767261600000,
        "timestamp": AT,
    }  # fmt: skip


IDENTITIES = [identity("user_id", "u1"), identity("anonymous_id", "a1")]


def test_a_track_is_a_row_of_tracks_and_one_of_its_event() -> None:
    """Properties are columns of the event's table alone, without a prefix; context is in both, with one."""
    event = rows(
        "track", event="Order Completed", sentAt=AT, originalTimestamp=AT, channel="web",
        properties={"orderId": "o1", "total": 9.5, "products": [{"sku": "s1"}]},
        context={"campaign": {"source": "mail"}, "ip": "192.0.2.1", "library": {}},
    )  # fmt: skip

    base = ROW | {
        "sent_at": AT, "original_timestamp": AT, "channel": "web", "context_campaign_source": "mail",
        "context_ip": "192.0.2.1", "event": "order_completed", "event_text": "Order Completed",
    }  # fmt: skip
    assert event.inserted == [
        ("tracks", base),
        ("order_completed", base | {"order_id": "o1", "total": 9.5, "products": '[{"sku":"s1"}]'}),
    ]
    assert event.updated == IDENTITIES


def test_an_identify_is_a_row_and_updates_the_user() -> None:
    """The user's row has its id as `id`, traits and context, and nothing of the one call."""
    event = rows("identify", traits={"email": "ada@example.com", "id": "x"}, context={"locale": "de"}, sentAt=AT)

    traits = {"email": "ada@example.com", "_id": "x", "context_locale": "de"}
    assert event.inserted == [("identifies", ROW | traits | {"sent_at": AT})]
    assert event.updated == [
        ("users", {"id": "u1", "received_at": AT, "timestamp": AT} | traits), *IDENTITIES
    ]  # fmt: skip


def test_an_identify_without_a_user_updates_nobody() -> None:
    event = rows("identify", userId=None, traits={"email": "ada@example.com"})

    assert [table for table, _ in event.inserted] == ["identifies"]
    assert event.updated == [identity("anonymous_id", "a1")]


@pytest.mark.parametrize("kind", ["page", "screen"])
def test_a_page_has_a_name(kind: str) -> None:
    """Its own, or that of its properties."""
    (own,) = rows(kind, name="Home", category="Docs", properties={"name": "no", "url": "https://x"}).inserted
    (of_properties,) = rows(kind, properties={"name": "Home"}).inserted

    assert own == (f"{kind}s", ROW | {"name": "Home", "category": "Docs", "url": "https://x"})
    assert of_properties == (f"{kind}s", ROW | {"name": "Home"})


def test_a_group_is_a_row_and_updates_the_account() -> None:
    event = rows("group", groupId="g1", traits={"plan": "pro", "group_id": "x"})

    assert event.inserted == [("groups", ROW | {"group_id": "g1", "plan": "pro", "_group_id": "x"})]
    assert event.updated[0] == (
        "accounts", {"id": "g1", "received_at": AT, "timestamp": AT, "plan": "pro", "_group_id": "x"}
    )  # fmt: skip


def test_an_alias_has_the_previous_id() -> None:
    event = rows("alias", previousId="a0")

    assert event.inserted == [("aliases", ROW | {"previous_id": "a0"})]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("user_id", "_user_id"), ("userId", "_user_id"), ("id", "_id"), ("event", "_event"),
        ("timestamp", "_timestamp"), ("context_ip", "_context_ip"), ("name", "name"),
        ("previous_id", "previous_id"), ("order", "_order"),
    ],
)  # fmt: skip
def test_a_property_does_not_take_a_column_of_ours(name: str, column: str) -> None:
    """It gets a `_` in front, where the table has such a column."""
    event = rows("track", event="Shown", properties={name: "x"})

    assert event.inserted[1][1][column] == "x"
    assert event.inserted[1][1]["user_id"] == "u1"


def test_of_two_properties_for_one_column_the_first_stays() -> None:
    """The second is not lost: it goes to the discards."""
    event = rows("track", event="Shown", properties={"productID": 1, "product_id": 2, "product": {"id": 3}})

    assert event.inserted[1][1]["product_id"] == 1
    assert event.clashes == [("shown", "product_id", 2), ("shown", "product_id", 3)]


@pytest.mark.parametrize(
    "properties", [{"product": {"id": 3}, "product_id": 2}, {"product_id": 3, "product": {"id": 2}}]
)
def test_a_nested_value_and_one_of_its_name_are_two(properties: dict[str, Any]) -> None:
    """The first stays and the second is discarded, though their paths are spelt alike."""
    event = rows("track", event="Shown", properties=properties)

    assert event.inserted[1][1]["product_id"] == 3
    assert event.clashes == [("shown", "product_id", 2)]


def test_names_that_cannot_be_guessed_are_kept() -> None:
    """Of every event, and of columns whose name was made up."""
    event = rows("track", event="日本", properties={"値段": 5, "plan": "pro"})

    assert event.inserted[1][0] == "event_cf2abf0c"
    assert event.inserted[1][1]["c_801822e4"] == 5
    assert event.originals == [("table", "event_cf2abf0c", "日本"), ("column", "c_801822e4", "値段")]


@pytest.mark.parametrize(
    "fields",
    [
        {"event": None}, {"event": ""}, {"properties": None}, {"properties": [1]}, {"context": "web"}, {"userId": None},
        {"messageId": None}, {"timestamp": "no time"}, {"timestamp": None, "receivedAt": None}, {"type": "odd"},
        {"userId": 5, "event": "A\0B"},
    ],
    ids=str,
)  # fmt: skip
def test_an_event_that_lacks_something_still_has_rows(fields: dict[str, Any]) -> None:
    """Every one but a call that nobody knows; the id is that of the delivery where the event has none."""
    event = rows("track", **({"event": "Shown"} | fields))

    assert (event.inserted == []) is (fields.get("type") == "odd")
    assert all(row["id"] in ("m1", "e1") for _, row in event.inserted)
    assert all("\0" not in str(row) for _, row in event.inserted)
