"""hook: any partner's JSON, by a mapping or for a function of one's own."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from multidict import CIMultiDict
from pydantic import ValidationError

from router.events.event import Limits, shape_problem
from router.events.parser import Repairs
from router.metrics import REGISTRY
from router.partner_sources.base import Post, Unreadable
from router.partner_sources.hook import HookSettings, HookSource
from tests.partner_sources.doubles.double import KEY, NOW
from tests.partner_sources.doubles.hook import HookDouble, ticket

TOKEN = {"token": KEY}


def source(map_: Any = None, **settings: Any) -> HookSource:
    return HookSource("tickets", HookSettings.model_validate({**TOKEN, **settings}), map_)


def post(body: Any, query: str = "", **headers: str) -> Post:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Post("POST", "/v1/hooks/tickets", query, named, data)


def made(body: Any, map_: Any = None, **settings: Any) -> list[Any]:
    return [found.event or found.reason for found in source(map_, **settings).read(post(body))]


def test_an_item_becomes_what_the_map_says() -> None:
    assert made(ticket(1), HookDouble.map) == [
        {
            "type": "track",
            "event": "Ticket closed",
            "userId": "u42",
            "messageId": "hook:t1",
            "timestamp": "2026-01-01T00:00:00.000Z",
            "context": {"traits": {"email": "ada@example.com"}},
            "properties": {"score": 4.5},
            "channel": "server",
        }
    ]


def test_without_a_map_it_is_a_track_call_for_a_function_to_change() -> None:
    (event,) = made(ticket(1), event="Ticket")
    assert (event["type"], event["event"], event["properties"]) == ("track", "Ticket", ticket(1))
    assert event["anonymousId"] == event["messageId"]
    assert shape_problem(event, Limits(), Repairs()) == ""


def test_without_a_message_id_in_the_map_the_content_makes_one() -> None:
    map_ = {"event": {"value": "Ticket"}, "userId": "customer.ref"}
    (first,), (again,), (other,) = (made(ticket(number), map_) for number in (1, 1, 2))
    assert first["type"] == "track"
    assert first["messageId"] == again["messageId"] != other["messageId"]


def test_the_items_of_a_post() -> None:
    assert len(made([ticket(1), ticket(2)])) == 2
    assert len(made({"data": {"rows": [ticket(1), ticket(2)]}}, items="data.rows")) == 2
    assert len(made({"data": ticket(1)}, items="data")) == 1
    assert made([]) == []
    with pytest.raises(Unreadable, match="no_items"):
        made({}, items="data.rows")


def test_a_value_that_cannot_be_converted_is_left_out_and_counted() -> None:
    labels = {"source": "tickets", "place": "properties.score"}
    before = REGISTRY.get_sample_value("router_source_mapping_problems_total", labels) or 0
    (event,) = made(ticket(1, score="many"), HookDouble.map)
    assert "score" not in event.get("properties", {})
    assert REGISTRY.get_sample_value("router_source_mapping_problems_total", labels) == before + 1


@pytest.mark.parametrize("body", [b"", b"  ", b"{", b"\xff", b"not json"])
def test_a_body_that_is_no_json_has_a_reason(body: bytes) -> None:
    with pytest.raises(Unreadable, match=r"empty|not_json|not_utf8"):
        source().read(post(body))


@pytest.mark.parametrize(
    ("query", "headers", "problem"),
    [
        ("", {"Authorization": f"Bearer {KEY}"}, ""),
        ("", {"Authorization": KEY}, ""),
        ("", {"authorization": f"bearer {KEY}"}, ""),
        (f"token={KEY}", {}, ""),
        (f"a=1&token={KEY}", {}, ""),
        ("", {}, "no_signature"),
        ("token=", {}, "no_signature"),
        ("token=other", {}, "bad_signature"),
        ("", {"Authorization": "Bearer other"}, "bad_signature"),
        (f"token={KEY}", {"Authorization": "Bearer other"}, "bad_signature"),
    ],
)
def test_a_token(query: str, headers: dict[str, str], problem: str) -> None:
    assert source().verify(post({}, query, **headers), NOW) == problem


def test_a_token_in_a_header_of_its_own() -> None:
    assert source(token_header="X-Token").verify(post({}, X_Token=KEY), NOW) == ""
    assert source(token_header="X-Token").verify(post({}, Authorization=KEY), NOW) == "no_signature"


@pytest.mark.parametrize(
    ("settings", "signature"),
    [
        ({}, hmac.digest(b"k", b"{}", "sha256").hex()),
        ({"prefix": "sha256="}, "sha256=" + hmac.digest(b"k", b"{}", "sha256").hex()),
        ({"algorithm": "sha1"}, hmac.digest(b"k", b"{}", "sha1").hex()),
        ({"algorithm": "sha512", "encoding": "base64"}, base64.b64encode(hmac.digest(b"k", b"{}", "sha512")).decode()),
    ],
)
def test_a_signature_in_the_form_of_the_partner(settings: dict[str, str], signature: str) -> None:
    one = HookSource("t", HookSettings.model_validate({"signing_key": "k", **settings}))
    assert one.verify(post({}, X_Signature=signature), NOW) == ""
    assert one.verify(post({"a": 1}, X_Signature=signature), NOW) == "bad_signature"


def test_both_a_token_and_a_signature_are_needed_where_both_are_set() -> None:
    signature = hmac.digest(b"k", b"{}", "sha256").hex()
    one = source(signing_key="k")
    assert one.verify(post({}, Authorization=KEY, X_Signature=signature), NOW) == ""
    assert one.verify(post({}, X_Signature=signature), NOW) == "no_signature"
    assert one.verify(post({}, Authorization=KEY), NOW) == "no_signature"


@pytest.mark.parametrize("settings", [{}, {"token": "k", "items": "a..b"}, {"token": "k", "algorithm": "md5"}])
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        HookSettings.model_validate(settings)
