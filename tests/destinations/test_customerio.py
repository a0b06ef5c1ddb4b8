"""Customer.io: an event in, the items of the request out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.customerio import Customerio, CustomerioSettings
from router.destinations.http import HttpRequest, Skip
from router.destinations.response import HttpResponse
from tests.deliveries import delivery

ULID = "00000000000000000000000001"
AT = 1767225600  # 2026-01-01T00:00:00Z
DEVICE = {
    "device": {"token": "t1", "type": "iOS", "model": "iPhone17"},
    "os": {"version": "26"},
    "app": {"version": "2.1"},
}


def event(kind: str = "track", name: str = "Order Completed", **fields: Any) -> Delivery:
    made = delivery(1, **({"type": kind, "event": name, "properties": {"total": 9.5}} | fields))
    made.type, made.event = kind, name if kind == "track" else ""
    return made


def connector(**settings: Any) -> Customerio:
    given = {"site_id": "s", "api_key": "k", "base_url": "http://127.0.0.1:1", "allow_private": True}
    return Customerio("cio", CustomerioSettings.model_validate(given | settings), 10.0)


def items(one: Delivery, **settings: Any) -> Any:
    made = connector(**settings).mapped([one])
    assert len(made) == 1
    return made[0].reason if isinstance(made[0], Skip) else orjson.loads(made[0].body)["batch"]


TRACK = {"type": "person", "action": "event", "identifiers": {"id": "u1"}, "name": "Order Completed", "id": ULID,
         "attributes": {"total": 9.5}, "timestamp": AT}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (event(), [TRACK]),
        (event(userId="cio_03"), [TRACK | {"identifiers": {"cio_id": "03"}}]),
        (event(userId="ada@example.com"), [TRACK | {"identifiers": {"email": "ada@example.com"}}]),
        (event(userId=None, anonymousId="a1"), [TRACK | {"identifiers": {"anonymous_id": "a1"}}]),
        (event(userId=None, context={"traits": {"email": "ada@example.com"}}),
         [TRACK | {"identifiers": {"email": "ada@example.com"}}]),
        (event(userId=None), "no_user_id"),
        (event("page", properties={"url": "https://shop.example/hats", "path": "/hats"}, name="Hats"),
         [TRACK | {"action": "page", "name": "https://shop.example/hats",
                   "attributes": {"url": "https://shop.example/hats", "path": "/hats"}}]),
        (event("screen", name="Home") , [TRACK | {"action": "screen", "name": "unnamed"}]),
        (event("identify", anonymousId="a1",
               traits={"email": "ada@example.com", "plan": "pro", "since": "2025-12-31T00:00:00Z"}),
         [{"type": "person", "action": "identify", "identifiers": {"id": "u1"}, "timestamp": AT,
           "attributes": {"email": "ada@example.com", "plan": "pro", "since": 1767139200, "anonymous_id": "a1"}}]),
        (event("identify", userId=None, anonymousId="a1", traits={"plan": "pro"}), "anonymous_identify"),
        (event("group", groupId="g1", traits={"name": "Acme", "relationshipAttributes": {"role": "admin"}}),
         [{"type": "object", "action": "identify", "identifiers": {"object_id": "g1", "object_type_id": "1"},
           "attributes": {"name": "Acme"},
           "cio_relationships": [{"identifiers": {"id": "u1"}, "relationship_attributes": {"role": "admin"}}]}]),
        (event("group", userId=None, anonymousId="a1", groupId="g1", traits={"object_type_id": "7"}),
         [{"type": "object", "action": "identify_anonymous", "identifiers": {"object_id": "g1", "object_type_id": "7"},
           "cio_relationships": [{"identifiers": {"anonymous_id": "a1"}}]}]),
        (event("group"), "no_group_id"),
        (event("alias", previousId="ada@example.com"),
         [{"type": "person", "action": "merge", "primary": {"id": "u1"}, "secondary": {"email": "ada@example.com"}}]),
        (event("alias", previousId="u1"), "no_previous_id"),
        (event(name="User Deleted"), [{"type": "person", "action": "delete", "identifiers": {"id": "u1"}}]),
        (event(name="User Suppressed"), [{"type": "person", "action": "suppress", "identifiers": {"id": "u1"}}]),
        (event(name="User Unsuppressed"), [{"type": "person", "action": "unsuppress", "identifiers": {"id": "u1"}}]),
        (event(name="Object Deleted", properties={"object_id": "g1"}),
         [{"type": "object", "action": "delete", "identifiers": {"object_id": "g1", "object_type_id": "1"}}]),
        (event(name="Relationship Deleted", properties={"object_id": "g1", "object_type_id": "2"}),
         [{"type": "object", "action": "delete_relationships",
           "identifiers": {"object_id": "g1", "object_type_id": "2"},
           "cio_relationships": [{"identifiers": {"id": "u1"}}]}]),
        (event(name="Device Deleted", context=DEVICE),
         [{"type": "person", "action": "delete_device", "identifiers": {"id": "u1"}, "device": {"token": "t1"}}]),
        (event(name="Device Created or Updated"), "no_device_token"),
    ],
)  # fmt: skip
def test_each_call_in_customerios_words(given: Delivery, expected: Any) -> None:
    assert items(given) == expected


def test_any_call_with_a_token_updates_the_device() -> None:
    first, second = items(event(context=DEVICE))

    assert first == TRACK
    assert second == {
        "type": "person", "action": "add_device", "identifiers": {"id": "u1"},
        "device": {"token": "t1", "platform": "ios", "last_used": AT,
                   "attributes": {"device_model": "iPhone17", "device_os": "26", "app_version": "2.1"}},
    }  # fmt: skip


def test_an_uninstalled_application_is_an_event_and_its_device_goes() -> None:
    assert [one["action"] for one in items(event(name="Application Uninstalled", context=DEVICE))] == [
        "event",
        "delete_device",
    ]


def test_dates_among_attributes_stay_as_they_are_when_asked() -> None:
    one = items(event(properties={"since": "2025-12-31T00:00:00Z", "code": "20260101"}), convert_dates=False)

    assert one[0]["attributes"] == {"since": "2025-12-31T00:00:00Z", "code": "20260101"}


def test_names_and_values_are_cut_to_what_customerio_keeps() -> None:
    (one,) = items(event(name="ä" * 80, properties={"k" * 200: "v" * 2000}))

    assert len(one["name"].encode()) <= 100
    assert one["attributes"] == {"k" * 150: "v" * 1000}


def test_an_answer_names_the_items_that_were_not_taken() -> None:
    events = [event(), event(), event()]
    body = orjson.dumps({"errors": [{"batch_index": 1, "reason": "invalid", "field": "name", "message": "Ada's"}]})

    read = connector().read(HttpRequest("POST", "/api/v2/batch", events), HttpResponse(207, "207", body))

    assert [(one.kind, one.detail) for one in read if isinstance(one, Outcome)] == [
        (Kind.DELIVERED, ""), (Kind.REJECTED, "invalid: name"), (Kind.DELIVERED, ""),
    ]  # fmt: skip


def test_regions_have_addresses_of_their_own() -> None:
    eu = CustomerioSettings.model_validate({"site_id": "s", "api_key": "k", "region": "eu"})

    assert eu.address == "https://track-eu.customer.io"
    assert CustomerioSettings.model_validate({"site_id": "s", "api_key": "k"}).address == "https://track.customer.io"
