"""A Segment-compatible endpoint: an event in, the item of the batch out."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.http import HttpRequest, Skip
from router.destinations.response import HttpResponse
from router.destinations.segment import Segment, SegmentSettings
from tests.deliveries import delivery
from tests.partners.segment import SegmentPartner

HOP = "a4f8ea43a634"  # of the destination `seg` at api.segment.io


def event(kind: str = "track", **fields: Any) -> Delivery:
    made = delivery(1, **({"type": kind, "timestamp": "2026-01-01T00:00:00.000Z"} | fields))
    made.type, made.event = kind, made.event if kind == "track" else ""
    return made


def connector(name: str = "seg", **settings: Any) -> Segment:
    return Segment(name, SegmentSettings.model_validate({"write_key": "k"} | settings), 10.0)


def sent(one: Delivery, through: Segment | None = None, **settings: Any) -> Any:
    """The item, or the reason why there is none."""
    (made,) = (through or connector(**settings)).mapped([one])
    return made.reason if isinstance(made, Skip) else orjson.loads(made.body)["batch"][0]


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "Order Completed", "properties": {"total": 9.5, "coupon": None}},
        {"type": "identify", "traits": {"plan": None, "name": "Ada"}},
        {"type": "page", "name": "Hats", "category": "Shop", "properties": {"url": "https://shop.example/"}},
        {"type": "screen", "name": "Home"},
        {"type": "group", "groupId": "g1", "traits": {"name": "Acme"}},
        {"type": "alias", "previousId": "a1"},
        {"userId": None, "anonymousId": "a1"},
        {"integrations": {"All": False, "Amplitude": {"session_id": 1}}},
        {"channel": "server", "_metadata": {"bundled": []}},
    ],
    ids=str,
)
def test_what_an_event_says_is_unchanged(fields: dict[str, Any]) -> None:
    """null too: it unsets a trait there."""
    given = event(fields.get("type", "track"), **fields)

    item = sent(given)

    assert {name: item[name] for name in fields} == fields
    assert item["messageId"] == "m1"


def test_times_and_context() -> None:
    """The receiver's own times are under `context.router`; all else of the context stays, with the address."""
    given = event(
        receivedAt="2026-01-01T00:00:01.000Z", originalTimestamp="2020-01-01T00:00:00.000Z", profileId="p1", sentAt="x",
        context={"ip": "192.0.2.1", "library": {"name": "analytics.js"}, "traits": {"a": 1}, "consent": {"b": True}},
    )  # fmt: skip

    item = sent(given)

    assert not {"receivedAt", "originalTimestamp", "profileId", "sentAt"} & item.keys()
    assert item["timestamp"] == "2026-01-01T00:00:00.000Z"
    assert item["context"] == {
        "ip": "192.0.2.1", "library": {"name": "analytics.js"}, "traits": {"a": 1}, "consent": {"b": True},
        "router": {"hops": 1, "via": [HOP], "receivedAt": "2026-01-01T00:00:01.000Z",
                   "originalTimestamp": "2020-01-01T00:00:00.000Z", "profileId": "p1"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "expected"), [("keep", {"All": False}), ("drop", None), ({"All": True}, {"All": True})]
)
def test_integrations_are_kept_dropped_or_replaced(wanted: Any, expected: Any) -> None:
    assert sent(event(integrations={"All": False}), integrations=wanted).get("integrations") == expected


def test_a_message_id_that_is_too_long_or_missing_is_one_made_of_it() -> None:
    for given in ("m" * 101, None):
        assert sent(event(messageId=given))["messageId"] == f"{1:032x}"


def test_a_loop_through_two_routers_ends() -> None:
    """A sends to B, which sends to A, which does not send it to B again."""
    there, back = connector("to-b", base_url="https://b.example"), connector("to-a", base_url="https://a.example")

    at_b = sent(event(), there)
    at_a = sent(event(context=at_b["context"]), back)
    ended = sent(event(context=at_a["context"]), there)

    assert (at_b["context"]["router"]["hops"], at_a["context"]["router"]["hops"], ended) == (1, 2, "loop")


@pytest.mark.parametrize(
    ("router", "expected"),
    [
        ({"hops": 2}, 3), ({"hops": 3}, "too_many_hops"), ({"via": ["a", "b", "c"]}, "too_many_hops"),
        ({"hops": "many", "via": "x"}, 1), ("odd", 1), (None, 1), ({"via": [HOP]}, "loop"),
    ],
)  # fmt: skip
def test_an_event_goes_through_three_routers_at_most(router: Any, expected: Any) -> None:
    item = sent(event(context={"router": router}))

    assert (item if isinstance(item, str) else item["context"]["router"]["hops"]) == expected


def test_an_event_that_is_too_large_is_kept_not_cut() -> None:
    (made,) = connector().mapped([event(properties={"note": "x" * 32_700})])

    assert isinstance(made, Skip)
    assert made.outcome == Outcome(Kind.REJECTED, "TOO_LARGE")
    assert sent(event(properties={"note": "x" * 32_700}), event_bytes=100_000)["properties"]


def test_a_second_attempt_renews_only_the_time_of_sending() -> None:
    """`sentAt` is of this request; messageId and timestamp stay."""
    one, bodies = connector(), []
    for attempt, now in ((1, 1767225600.0), (2, 1767225660.5)):
        given = event()
        given.attempt = attempt
        (made,) = one.mapped([given])
        assert isinstance(made, HttpRequest)
        bodies.append(orjson.loads(one.dated(made, now)))

    assert [body.pop("sentAt") for body in bodies] == ["2026-01-01T00:00:00.000Z", "2026-01-01T00:01:00.500Z"]
    assert bodies[0] == bodies[1]
    assert list(bodies[0]) == ["batch"]


def test_a_batch_with_its_time_of_sending_has_500_kb_at_most() -> None:
    one = connector()
    made = one.mapped([event(properties={"note": "x" * 20_000})] * 200)

    assert max(len(one.dated(request, 0.0)) for request in made if isinstance(request, HttpRequest)) <= 500_000


@pytest.mark.parametrize(
    ("settings", "status", "kind"),
    [
        ({}, 200, Kind.UNCONFIRMED), ({"base_url": "https://b.example"}, 200, Kind.DELIVERED),
        ({}, 400, Kind.REJECTED), ({}, 401, Kind.REFUSED), ({}, 503, Kind.RETRY),
    ],
)  # fmt: skip
def test_what_the_receiver_answers(settings: dict[str, Any], status: int, kind: Kind) -> None:
    read = connector(**settings).read(HttpRequest("POST", "/v1/batch", [event()]), HttpResponse(status, str(status)))

    assert [one.kind for one in read if isinstance(one, Outcome)] == [kind]


async def test_what_arrives(tmp_path: Path) -> None:
    """Numbers of any length too."""
    async with SegmentPartner(tmp_path) as partner:
        one = partner.connector()
        await one.open()
        given = event()
        given.body["properties"] = {"big": 2**80}
        (outcome,) = await one.send([given])
        await one.close()

    assert outcome.kind is Kind.DELIVERED
    assert b"1208925819614629174706176" in partner.calls[0].body
    assert partner.calls[0].body.startswith(b'{"sentAt":"')


def test_the_write_key_is_the_user_name() -> None:
    (name,) = connector().authenticate(HttpRequest("POST", "/v1/batch", ()), 0.0).values()

    assert b64decode(name.removeprefix("Basic ")) == b"k:"


@pytest.mark.parametrize(
    ("settings", "words"), [({"write_key": "a key"}, "without blanks"), ({"region": "ch"}, "expected one of us, eu")]
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        connector(**settings)


def test_regions_have_addresses_of_their_own() -> None:
    assert connector().settings.address == "https://api.segment.io"
    assert connector(region="eu").settings.address == "https://events.eu1.segmentapis.com"
