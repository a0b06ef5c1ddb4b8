"""AdRoll: an event in, the people appended to a segment out."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.config.delivery import DeliveryConfig
from router.delivery.dispatcher import shape_of
from router.delivery.item import Partition, QueuedEvent
from router.delivery.queue import DeliveryQueue
from router.destinations.adroll import Adroll, AdrollSettings
from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.http import HttpRequest, Skip
from router.destinations.response import HttpResponse
from router.destinations.shared.hashing import sha256
from tests.deliveries import delivery

MAIL = "ada@shop.example"


def event(kind: str = "identify", name: str = "", number: int = 1, **fields: Any) -> Delivery:
    made = delivery(number, **({"type": kind, "event": name, "traits": {"gold": True, "email": MAIL}} | fields))
    made.type, made.event = kind, name
    return made


def connector(**settings: Any) -> Adroll:
    given = {
        "access_token": "t",
        "client_id": "c",
        "audiences": {"gold": "S1", "carts": {"id": "S2", "entered": ["Cart"]}},
    }
    return Adroll("ads", AdrollSettings.model_validate(given | settings), 10.0)


def sent(*events: Delivery, **settings: Any) -> list[Any]:
    return [
        one.reason if isinstance(one, Skip) else (one.url, orjson.loads(one.body))
        for one in connector(**settings).mapped(events)
    ]


SEGMENT = "/audience/v1/segments/S1?apikey=c"


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        (event(), {}, (SEGMENT, {"data": [{"email": MAIL}]})),
        (event(traits={"gold": True, "email": " Ada@Shop.example "}), {}, (SEGMENT, {"data": [{"email": MAIL}]})),
        (event(), {"hash": "sha256"}, (SEGMENT, {"data": [{"email": sha256(MAIL)}]})),
        (event(), {"hash": "md5"},
         (SEGMENT, {"data": [{"email": hashlib.md5(MAIL.encode(), usedforsecurity=False).hexdigest()}]})),
        (event(), {"send_names": True}, (SEGMENT, {"name": "gold", "data": [{"email": MAIL}]})),
        (event("track", "Audience Entered", userId=MAIL, properties={"audience_key": "gold"}), {},
         (SEGMENT, {"data": [{"email": MAIL}]})),
        (event("track", "Cart", userId=MAIL), {},
         ("/audience/v1/segments/S2?apikey=c", {"data": [{"email": MAIL}]})),
        (event(traits={"gold": False, "email": MAIL}), {}, "leave_not_supported"),
        (event("track", "Audience Exited", userId=MAIL, properties={"audience_key": "gold"}), {},
         "leave_not_supported"),
        (event(traits={"gold": True}), {}, "no_identifier"),
        (event(traits={"gold": True, "email": "nobody"}), {}, "no_identifier"),
        (event(traits={"email": MAIL}), {}, "no_audience"),
        (event("track", "Product Viewed"), {}, "no_audience"),
        (event("page"), {}, "unsupported_type"),
        (event("screen"), {}, "unsupported_type"),
        (event("group"), {}, "unsupported_type"),
        (event("alias"), {}, "unsupported_type"),
    ],
)  # fmt: skip
def test_each_call_in_adrolls_words(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert sent(given, **settings) == [expected]


def test_an_address_is_sent_once_and_leaving_one_segment_does_not_hide_entering_another() -> None:
    moves = event(traits={"gold": True, "carts": False, "email": MAIL})
    again = event(number=2)

    assert sent(moves, again) == [(SEGMENT, {"data": [{"email": MAIL}]})]


def test_ten_thousand_joins_in_a_day_stay_below_the_quota() -> None:
    """100 requests a day: without a word in the topology, a request is filled for an hour."""
    one, shape = connector(), shape_of(connector(), DeliveryConfig())
    queue = DeliveryQueue(ordered=one.order == "profile")
    partition, requests, joined = Partition("dest.ads", 0), 0, 0

    for number in range(10_000):
        now = number * 8.64
        joins = event(number=number, traits={"gold": True, "email": f"u{number}@shop.example"}, profileId=f"p{number}")
        queue.push(QueuedEvent(partition, number, joins.value, None, (), joins, now, now, ""))
        while (batch := queue.take(now, shape.count, shape.size, shape.age)) is not None:
            made = one.mapped([item.delivery for item in batch.events])
            requests += sum(isinstance(request, HttpRequest) for request in made)
            joined += len(batch)

    assert joined > 9_000
    assert requests <= 30


def outcome(status: int, payload: Any) -> tuple[Kind, str]:
    request = HttpRequest("POST", "/", [event()])
    (read,) = connector().read(request, HttpResponse(status, str(status), orjson.dumps(payload)))
    assert isinstance(read, Outcome)
    return read.kind, read.code


@pytest.mark.parametrize(
    ("status", "payload", "kind"),
    [
        (200, {"result": "success", "segment": {}}, Kind.DELIVERED),
        (200, "what?", Kind.UNCONFIRMED),
        (400, {"errors": []}, Kind.REJECTED),
        (401, {}, Kind.REFUSED),
        (403, {}, Kind.REFUSED),
        (404, {}, Kind.REFUSED),
        (429, {}, Kind.RETRY),
        (503, {}, Kind.RETRY),
    ],
)
def test_answers(status: int, payload: Any, kind: Kind) -> None:
    assert outcome(status, payload) == (kind, str(status))


@pytest.mark.parametrize(
    "settings", [{"access_token": " "}, {"client_id": "a b"}, {"audiences": {}}, {"hash": "sha1"}, {"mode": "replace"}]
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        connector(**settings)
