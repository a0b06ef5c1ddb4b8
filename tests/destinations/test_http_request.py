"""The `http` destination: requests from events, faults at their place, and no secret that shows."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.config.loader import Loaded, load_topology
from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.http import HttpRequest
from router.destinations.http_request import HttpRequestDestination, HttpRequestSettings
from router.destinations.registry import destination_types
from router.destinations.response import HttpResponse
from router.destinations.webhook import verify
from router.errors import FileError
from router.metrics import MAPPING_PROBLEMS
from tests.config.topologies import write
from tests.deliveries import delivery
from tests.partners.http import AnyPartner

URL = "https://api.example.com/v1/users/{userId}"
EVENT = delivery(1, userId="ada/1", properties={"total": "9.50", "at": "2026-01-02T03:04:05Z", "items": [{"sku": "a"}]})


def made(**settings: Any) -> HttpRequestDestination:
    return HttpRequestDestination("crm", HttpRequestSettings.model_validate({"url": URL} | settings), 10.0)


def mapped(events: Sequence[Delivery], **settings: Any) -> list[Any]:
    """Requests as method, URL and body (JSON where it is), others as their reason."""
    return [
        (one.method, one.url, one.body) if isinstance(one, HttpRequest) else one.reason
        for one in made(**settings).mapped(events)
    ]


def body_of(event: Delivery, body: Any, **settings: Any) -> Any:
    ((_, _, content),) = mapped([event], body=body, **settings)
    return orjson.loads(content)


def test_the_event_goes_out_whole_where_no_body_is_given() -> None:
    assert mapped([EVENT]) == [("POST", "https://api.example.com/v1/users/ada%2F1", EVENT.value)]


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        (URL, "https://api.example.com/v1/users/ada%2F1"),
        ("https://x.example/?q={properties.at}&t={type}", "https://x.example/?q=2026-01-02T03%3A04%3A05Z&t=track"),
        ("http://x.example/{properties.total}", "http://x.example/9.50"),
        ("https://x.example/{traits.none}", "no_url_value"),
        ("https://x.example/{type}/{traits.none}", "no_url_value"),
    ],
)
def test_values_in_the_url_are_encoded_and_all_needed(url: str, sent: str) -> None:
    ((*_, address, _),) = [one if isinstance(one, tuple) else (one, "") for one in mapped([EVENT], url=url)]

    assert address == sent


@pytest.mark.parametrize("odd", [".", "..", "", None])
def test_a_value_that_would_lead_to_another_path_is_not_sent(odd: str | None) -> None:
    assert mapped([delivery(1, userId=odd)]) == ["no_url_value"]


def test_a_base_url_replaces_scheme_and_host() -> None:
    ((_, url, _),) = mapped([EVENT], base_url="http://127.0.0.1:9/double/")

    assert url == "http://127.0.0.1:9/double/v1/users/ada%2F1"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"a": "text", "b": 1, "c": [True, None]}, {"a": "text", "b": 1, "c": [True, None]}),
        ({"total": {"path": "properties.total", "as": "number"}}, {"total": 9.5}),
        ({"who": {"template": "{event} by {userId}"}, "none": {"path": "x.y"}}, {"who": "Order Completed by ada/1"}),
        ({"value": {"path": "kept"}}, {"path": "kept"}),
        ({"skus": {"each": "properties.items", "map": {"path": "sku"}}}, {"skus": ["a"]}),
        ({"path": "$", "as": "json"}, EVENT.value.decode()),
    ],
)
def test_a_body_is_json_with_values_of_the_event(body: Any, sent: Any) -> None:
    assert body_of(EVENT, body) == (orjson.loads(orjson.dumps(sent)))


def test_whole_numbers_of_any_length_and_halves_of_a_character_are_sent() -> None:
    event = delivery(1)
    event.body["properties"] = {"n": 10**30, "s": "\ud800"}
    ((_, _, content),) = mapped([event], body={"p": {"path": "properties"}})

    assert content == b'{"p":{"n":1000000000000000000000000000000,"s":"\\ud800"}}'


def test_an_event_of_which_the_body_makes_nothing_is_not_sent() -> None:
    assert mapped([EVENT], body={"path": "properties.payload"}) == ["no_body"]


def test_formats() -> None:
    """Batches are one request; of the others each event is one."""
    events = [delivery(1, userId="u"), delivery(2, userId="u")]
    body = {"id": {"path": "messageId"}, "tags": ["a b", "ü"], "n": 1}
    url = "https://api.example.com/v1/users/u"
    one, two = b'{"id":"m1","tags":["a b","\xc3\xbc"],"n":1}', b'{"id":"m2","tags":["a b","\xc3\xbc"],"n":1}'

    assert mapped(events, body=body) == [("POST", url, one), ("POST", url, two)]
    assert mapped(events, body=body, format="array") == [("POST", url, b"[" + one + b"," + two + b"]")]
    assert mapped(events, body=body, format="ndjson") == [("POST", url, one + b"\n" + two + b"\n")]
    assert mapped(events[:1], body=body, format="form") == [("POST", url, b"id=m1&tags=a+b&tags=%C3%BC&n=1")]
    assert mapped(events[:1], method="DELETE") == [("DELETE", url, b"")]


def test_a_batch_has_one_url_and_one_set_of_headers() -> None:
    connector = made(format="array", headers={"X-Type": "{type}"})
    keys = [connector.batch_key(delivery(n, userId=who, type=kind)) for n, (who, kind) in enumerate(
        [("a", "track"), ("a", "track"), ("b", "track"), ("a", "page")]
    )]  # fmt: skip

    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    assert made().batch_key(EVENT) is None


def headers_of(**settings: Any) -> dict[str, str]:
    (request,) = made(**settings).mapped([EVENT])
    assert isinstance(request, HttpRequest)
    return dict(request.headers)


def test_headers() -> None:
    given = {
        "X-Who": "{userId}", "X-Time": {"path": "properties.at", "as": "unix_seconds"}, "X-None": "{traits.x}",
        "Authorization": {"value": "a:b", "as": "basic_auth"}, "X-Odd": "{properties.odd}",
    }  # fmt: skip
    EVENT.body["properties"]["odd"] = "a\r\nX-Evil: 1 ü"

    assert headers_of(headers=given, idempotency_header="Request-Id") == {
        "Content-Type": "application/json", "X-Who": "ada/1", "X-Time": "1767323045", "Authorization": "Basic YTpi",
        "X-Odd": "a%0D%0AX-Evil: 1 %C3%BC", "Request-Id": EVENT.idempotency_key,
    }  # fmt: skip
    assert headers_of(headers={"content-type": "text/x"}) == {"content-type": "text/x"}


def test_a_request_is_signed_as_webhook_signs() -> None:
    connector = made(secret="hush")
    signed = connector.authenticate(HttpRequest("POST", URL, [EVENT], b"{}"), 1_000_000.0)

    assert verify(b"hush", signed["X-Timestamp"], signed["X-Signature"], b"{}", 1_000_000)
    assert made().authenticate(HttpRequest("POST", URL, [EVENT], b"{}"), 1.0) == {}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, Kind.DELIVERED), (422, Kind.REJECTED), (500, Kind.RETRY), (403, Kind.RETRY), (409, Kind.REFUSED),
        (400, Kind.REJECTED), (200, Kind.DELIVERED), (503, Kind.RETRY),
    ],
)  # fmt: skip
def test_the_status_table_goes_over_the_usual_meaning(status: int, kind: Kind) -> None:
    table = {404: "delivered", 422: "rejected", 500: "retry", 403: "retry", 409: "refused"}
    request = HttpRequest("POST", URL, [EVENT, delivery(2)])

    response = HttpResponse(status, str(status), headers={"retry-after": "7"}, at=1.0)
    first, second = made(status=table).read(request, response)

    assert isinstance(first, Outcome)
    assert (first.kind, second) == (kind, first)
    assert first.shared is (kind in (Kind.REJECTED, Kind.RETRY))
    assert kind is not Kind.RETRY or first.retry_after == 7.0


def test_a_value_that_cannot_be_converted_is_left_out_and_counted() -> None:
    counter = MAPPING_PROBLEMS.labels("crm", "n.m")
    before = counter._value.get()

    assert body_of(EVENT, {"k": 1, "n": {"m": {"path": "userId", "as": "number"}}}) == {"k": 1}
    assert counter._value.get() == before + 1


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("{url: 'https://{properties.host}/x'}", "4:37: destinations.crm.settings.url: expected"),
        ("{url: 'https://x.example{userId}/'}", "url: expected a URL whose host is the same for every event"),
        ("{url: 'https://x.example/', headers: {X: 'key{'}}", "at character 4, got another form"),
        ("{url: 'https://x.example/{'}", "url: expected {path}, or {{ for a brace"),
        ("{url: 'https://x.example/', body: {a: [{path: x, as: unix_second}]}}", "(did you mean unix_seconds?)"),
        ("{url: 'https://x.example/', body: {a: [{path: x, as: no}]}}", "4:84: destinations.crm.settings.body.a[0].as"),
        ("{url: 'https://x.example/', headers: {X: 'key{'}}", "headers.X: expected {path}, or {{ for a brace, at char"),
        ("{url: 'https://x.example/', headers: {Host: x}}", "no header that the connector sets itself, got Host"),
        ("{url: 'https://x.example/', idempotency_header: 'a b'}", "expected a header name"),
        ("{url: 'https://x.example/', status: {99: delivered}}", "expected statuses from 200 to 599, got 99"),
        ("{url: 'https://x.example/', status: {404: gone}}", "expected delivered, rejected, retry or refused"),
        ("{url: 'https://x.example/', format: form}", "expected a body of names and values for format: form"),
        ("{url: 'https://x.example/', method: GET, format: array}", "expected a body for format: array"),
    ],
)  # fmt: skip
def test_faults_are_named_at_their_place(tmp_path: Path, settings: str, problem: str) -> None:
    file = write(
        tmp_path,
        "t.yaml",
        f"name: t\nsources: {{web: {{}}}}\ndestinations:\n  crm: {{type: http, settings: {settings}}}\n",
    )
    with pytest.raises(FileError) as refused:
        load_topology([file], env={}, registry=destination_types())

    assert problem in "\n".join(map(str, refused.value.problems))


def request_of(loaded: Loaded, name: str, event: Delivery) -> HttpRequest:
    settings = loaded.connector_settings[name]
    assert isinstance(settings, HttpRequestSettings)
    (request,) = HttpRequestDestination(name, settings, 1.0).mapped([event])
    assert isinstance(request, HttpRequest)
    return request


def test_a_secret_of_digits_stays_a_text(tmp_path: Path) -> None:
    text = """\
name: t
sources: {web: {}}
destinations:
  crm: {type: http, settings: {url: "https://x.example/", body: {key: "${KEY}", n: {value: "${N:-5}", as: number}}}}
"""
    loaded = load_topology([write(tmp_path, "t.yaml", text)], env={"KEY": "0042"}, registry=destination_types())
    request = request_of(loaded, "crm", EVENT)

    assert orjson.loads(request.body) == {"key": "0042", "n": 5}


async def test_a_sample_shows_what_the_event_says_and_no_constant(tmp_path: Path) -> None:
    """Neither in the request's body nor where the partner repeats what it was sent."""
    async with AnyPartner(tmp_path) as partner:
        body = {
            "token": partner.secret,
            "id": {"template": f"{partner.secret}-{{messageId}}"},
            "n": {"value": 4_711_000},
        }
        connector = partner.connector(body=body)
        await connector.open()
        (outcome,) = await connector.send([delivery(1)])
        await connector.close()

    assert outcome.kind is Kind.REJECTED
    assert outcome.exchange is not None
    sample = outcome.exchange.request + outcome.exchange.response
    assert outcome.exchange.request.endswith('[{"token":"***","id":"***m1","n":"***"}]')
    assert "bad item" in outcome.exchange.response
    assert partner.secret not in sample
    assert "4711000" not in sample


def test_settings_show_neither_url_nor_headers_nor_body() -> None:
    given = {"url": "https://x.example/hush-1", "headers": {"A": "hush-2"}, "body": {"k": "hush-3"}, "secret": "hush-4"}
    settings = HttpRequestSettings.model_validate(given)

    assert "hush" not in repr(settings) + str(settings) + str(settings.model_dump()) + settings.model_dump_json()


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        made(colour="red")


PAGE = (Path(__file__).parents[2] / "topologies/README.md").read_text("utf-8")
SECTION = PAGE.partition("\n## Any partner by HTTP")[2].partition("\n## ")[0]
EXAMPLES = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)[0]
VARIABLES = set(re.findall(r"\$\{([A-Z_]+)\}", EXAMPLES))
TRACK = {
    "type": "track", "event": "Order Completed", "userId": "u/1", "messageId": "m1", "context": {"ip": "192.0.2.1"},
    "timestamp": "2026-01-02T03:04:05.000Z", "properties": {"total": 9.5, "currency": "EUR", "provider": "ACME"},
}  # fmt: skip
IDENTIFY = {"type": "identify", "userId": "u/1", "traits": {"email": " Ada@Example.com", "plan": "gold"}}
TEXT_BLOCK = {"type": "TextBlock"}
SENT: dict[str, tuple[dict[str, Any], str, dict[str, str], Any]] = {
    "pagerduty": (TRACK, "POST https://events.pagerduty.com/v2/enqueue", {}, {
        "routing_key": "s3cret", "event_action": "trigger", "dedup_key": "m1", "payload": {
            "summary": "Order Completed: ACME", "source": "event-router", "severity": "critical",
            "timestamp": "2026-01-02T03:04:05.000Z", "custom_details": TRACK["properties"],
        },
    }),
    "datadog": (TRACK, "POST https://http-intake.logs.datadoghq.com/api/v2/logs", {"DD-API-KEY": "s3cret"}, [{
        "ddsource": "event-router", "service": "shop", "message": "Order Completed", "usr": {"id": "u/1"},
        "attributes": TRACK["properties"],
    }]),
    "teams": (TRACK, "POST https://teams.example/hook?sig=1", {}, {
        "type": "message", "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive", "content": {
                "type": "AdaptiveCard", "version": "1.4", "body": [
                    TEXT_BLOCK | {"weight": "Bolder", "text": "Order Completed"},
                    TEXT_BLOCK | {"wrap": True, "text": "9.5 EUR from u/1"},
                ],
            },
        }],
    }),
    "zendesk": (IDENTIFY, "POST https://acme.zendesk.com/api/v2/users/create_or_update",
        {"Authorization": "s3cret/token:s3cret"}, {"user": {
            "external_id": "u/1", "name": " Ada@Example.com", "email": "ada@example.com",
            "user_fields": {"plan": "gold"},
        }}),
    "salesforce": (IDENTIFY,
        "PATCH https://acme.my.salesforce.com/services/data/v61.0/sobjects/Contact/Router_Id__c/u%2F1",
        {"Authorization": "Bearer s3cret"}, {"LastName": "u/1", "Email": " Ada@Example.com"}),
    "pendo": (TRACK, "POST https://app.pendo.io/data/track", {"X-Pendo-Integration-Key": "s3cret"}, {
        "type": "track", "event": "Order Completed", "visitorId": "u/1", "timestamp": 1767323045000,
        "properties": TRACK["properties"], "context": {"ip": "192.0.2.1"},
    }),
    "appcues": (TRACK, "POST https://api.appcues.com/v2/accounts/12345/users/u%2F1/events",
        {"Authorization": "s3cret:s3cret"}, {
            "name": "Order Completed", "timestamp": "2026-01-02T03:04:05.000Z", "attributes": TRACK["properties"],
        }),
}  # fmt: skip


@pytest.mark.parametrize("name", SENT)
def test_the_examples_of_the_page_make_what_the_partner_takes(name: str, tmp_path: Path) -> None:
    file = write(tmp_path, "t.yaml", f"name: t\nsources: {{web: {{}}}}\n{EXAMPLES}")
    env = dict.fromkeys(VARIABLES, "s3cret") | {"TEAMS_WORKFLOW_URL": "https://teams.example/hook?sig=1"}
    loaded = load_topology([file], env=env, registry=destination_types())
    fields, target, headers, body = SENT[name]
    event = delivery(1, **{"userId": None, "properties": None, **fields})
    event.type = fields["type"]

    request = request_of(loaded, name, event)

    assert set(loaded.topology.destinations) == set(SENT)
    assert f"{request.method} {request.url}" == target
    assert orjson.loads(request.body) == body
    sent = {key: value for key, value in request.headers.items() if key != "Content-Type"}
    plain = {
        key: b64decode(value.removeprefix("Basic ")).decode() if value.startswith("Basic ") else value
        for key, value in sent.items()
    }
    assert plain == headers
