"""What becomes of a row: old envelope fields go, times stay, ids are the same whenever the row is read."""

from __future__ import annotations

from typing import Any

import pytest

from router.history.row_events import RowEvents
from router.mapping.conversions import EXPECTED_TIME
from router.mapping.mapping import Mapping

OLD = {
    "type": "track", "event": "Past", "userId": "u1", "messageId": "m1", "profileId": "p1", "projectId": "x",
    "timestamp": "2020-05-05T00:00:00.000Z", "originalTimestamp": "2020-05-05T00:00:03.000Z", "writeKey": "theirs",
    "sentAt": "2020-05-05T00:00:09.000Z", "receivedAt": "2020-05-05T00:00:10.000Z",
}  # fmt: skip


def made(events: RowEvents, row: dict[str, Any], number: int = 1) -> dict[str, Any]:
    event = events.event(number, dict(row))
    assert isinstance(event, dict), event
    return event


def test_what_belongs_to_the_time_when_it_came_before_is_left_out() -> None:
    event = made(RowEvents("file"), OLD)

    assert event.pop("messageId").startswith("import-")
    assert event == {"type": "track", "event": "Past", "userId": "u1", "timestamp": OLD["timestamp"]}


def test_what_is_asked_for_is_kept() -> None:
    event = made(RowEvents("file", keep=["sentAt", "messageId", "receivedAt", "profileId"]), OLD)

    assert event == {name: value for name, value in OLD.items() if name not in ("writeKey", "projectId")}


def test_an_id_is_made_of_the_old_one_else_of_file_and_row() -> None:
    row = {"type": "identify", "userId": "u"}
    one, same, other = RowEvents("file"), RowEvents("file"), RowEvents("other file")

    assert made(one, OLD, 1)["messageId"] == made(other, OLD, 2)["messageId"]  # a copy in another file of the export
    assert made(one, row, 1)["messageId"] == made(same, row, 1)["messageId"]
    ids = [made(each, row, number)["messageId"] for each in (one, other) for number in (1, 2)]
    assert len(set(ids)) == 4
    only = RowEvents("file", only={"crm": ("crm",)})
    assert {made(only, row, 1)["messageId"], made(only, OLD, 1)["messageId"]}.isdisjoint(
        {made(one, row, 1)["messageId"], made(one, OLD, 1)["messageId"]}
    )


@pytest.mark.parametrize(
    "text",
    ["2020-01-02", "2020-01-02T00:00:00+02:00", "1577923200", "1577923200000", "Thu, 02 Jan 2020 00:00:00 GMT"],
)
def test_dates_of_several_forms_in_one_column(text: str) -> None:
    events = RowEvents(
        "f", Mapping({"userId": "id", "event": {"value": "Past"}, "timestamp": {"path": "at", "as": "iso8601"}})
    )

    event = made(events, {"id": "1", "at": text})

    assert event["timestamp"].startswith(("2020-01-02T", "2020-01-01T22"))
    assert event["type"] == "track"


def test_a_time_that_is_none_makes_a_bad_row_and_not_an_event_of_today() -> None:
    mapped = RowEvents("f", Mapping({"userId": "id", "timestamp": {"path": "at", "as": "iso8601"}}))

    assert mapped.event(1, {"id": "1", "at": "soon"}) == f"timestamp: {EXPECTED_TIME}"
    assert RowEvents("f").event(1, OLD | {"timestamp": "soon"}) == f"timestamp: {EXPECTED_TIME}"
    assert RowEvents("f", Mapping({"traits.n": {"path": "n", "as": "number"}})).event(1, {"n": "x"}) == (
        "traits.n: expected a number"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {"All": False, "crm": True}),
        ({"All": True, "ads": True}, {"All": False, "crm": True}),
        ({"Customer.io": {"list": 3}}, {"All": False, "crm": {"list": 3}}),
        ({"customer.io": False}, {"All": False, "crm": False}),
        ({"All": False}, {"All": False, "crm": False}),
        ({"All": False, "crm": True}, {"All": False, "crm": True}),
    ],
)
def test_only_is_written_into_integrations_and_switches_nothing_on_that_was_off(given: Any, expected: Any) -> None:
    only = RowEvents("f", only={"crm": ("crm", "Customer.io")})
    row = {"type": "track", "context": {"integrations": {"ads": True}, "ip": "1.1.1.1"}}

    event = made(only, row | ({"integrations": given} if given is not None else {}))

    assert event["integrations"] == expected
    assert event["context"] == {"ip": "1.1.1.1"}
