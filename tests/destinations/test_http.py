"""The base of HTTP connectors: mapping within the limits, answers as outcomes, one event in several requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip, kind_of
from router.destinations.http_settings import checked_url
from router.destinations.preview import preview
from router.destinations.response import HttpResponse
from router.mask import Mask
from tests.deliveries import delivery
from tests.partners.partner import Call, HttpPartner, Reply

KINDS = {
    **dict.fromkeys((200, 201, 202, 204, 207, 299), Kind.DELIVERED),
    **dict.fromkeys((301, 302, 307, 308, 401, 403), Kind.REFUSED),
    **dict.fromkeys((400, 402, 404, 405, 409, 410, 413, 415, 422, 451, 501), Kind.REJECTED),
    **dict.fromkeys((408, 423, 425, 429, 500, 502, 503, 504, 520, 598, 599), Kind.RETRY),
}


@pytest.mark.parametrize(("status", "kind"), KINDS.items())
def test_each_status_means_what_the_rules_say(status: int, kind: Kind) -> None:
    """2xx delivered; 408, 423, 429, 5xx but 501 again; 401, 403 and redirects pause; the rest is rejected."""
    assert kind_of(HttpResponse(status, str(status))) is kind


@given(st.integers(100, 999))
def test_every_status_has_an_outcome(status: int) -> None:
    """None is delivered but a 2xx."""
    assert (kind_of(HttpResponse(status, str(status))) is Kind.DELIVERED) == (200 <= status < 300)


class ToySettings(PartnerSettings):
    regions: ClassVar = {"us": "https://us.example", "eu": "https://eu.example/"}
    token: ApiKey | None = None


class Toy(HttpDestination):
    """Posts `{"names": […]}`; `steps` maps an event's number to what else is sent for it."""

    type = "toy"
    summary = "for tests"
    types = ("track", "identify")
    limits = RequestLimits(count=4, batch=4, request_bytes=60, event_bytes=2_000)
    Settings = ToySettings

    make: Callable[[Sequence[Delivery]], Iterable[HttpRequest | Skip]] | None = None
    reading: Callable[[HttpRequest, HttpResponse], Sequence[Outcome | HttpRequest]] | None = None

    def requests(self, events: Sequence[Delivery]) -> Iterable[HttpRequest | Skip]:
        return self.make(events) if self.make is not None else [post(events)]

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        return self.reading(request, response) if self.reading is not None else super().read(request, response)


def post(events: Sequence[Delivery], path: str = "/take") -> HttpRequest:
    return HttpRequest.of_json("POST", path, events, {"names": [event.body["messageId"] for event in events]})


class ToyPartner(HttpPartner):
    type = "toy"

    def answer(self, call: Call) -> Reply:
        if call.path == "/fail":
            return Reply(503, "no")
        if call.path == "/find":
            return Reply(200, {"id": 7})
        self.take([f"{call.path}:{name}" for name in call.json["names"]])
        return Reply(200, {"ok": True})


@pytest.fixture
async def partner(tmp_path: Path) -> AsyncIterator[ToyPartner]:
    async with ToyPartner(tmp_path) as one:
        yield one


async def sent(partner: ToyPartner, events: Sequence[Delivery], **parts: Any) -> list[str]:
    """The outcomes of these events, as `kind code`."""
    made = type("Made", (Toy,), {name: staticmethod(part) for name, part in parts.items()})
    toy = made("crm", ToySettings.model_validate(partner.settings), 5.0)
    await toy.open()
    try:
        return [f"{one.kind.value} {one.code}" for one in await toy.send(events)]
    finally:
        await toy.close()


def toy(**parts: Any) -> Toy:
    made = type("Made", (Toy,), {name: staticmethod(part) for name, part in parts.items()})
    return made("crm", ToySettings(), 5.0)  # type: ignore[no-any-return]


def test_an_answer_to_a_batch_is_said_to_be_shared() -> None:
    """So that delivery can try its events in smaller requests; a refusal concerns the configuration, not the size."""
    batch, single = post([delivery(1), delivery(2)]), post([delivery(1)])
    answers = [HttpResponse(400, "400"), HttpResponse(503, "503"), HttpResponse(401, "401")]

    assert [toy().by_status(batch, answer).shared for answer in answers] == [True, True, False]
    assert not any(toy().by_status(single, answer).shared for answer in answers)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 9])
def test_requests_are_split_by_count(count: int) -> None:
    """In order, whatever delivery hands over."""
    made = toy(make=None).mapped([delivery(number) for number in range(count)])

    assert [event.body["messageId"] for one in made for event in one.events] == [f"m{n}" for n in range(count)]  # type: ignore[union-attr]
    assert all(len(one.events) <= 4 for one in made)  # type: ignore[union-attr]


def test_requests_are_split_by_bytes_and_weight() -> None:
    """A request that is too large is mapped again with half of its events."""
    long = [delivery(number, messageId=f"{number}" * 20) for number in range(4)]

    by_bytes = toy().mapped(long)
    by_weight = toy(make=lambda events: [HttpRequest("POST", "/", events, weight=3 * len(events))]).mapped(long)

    assert [len(one.events) for one in by_bytes] == [2, 2]  # type: ignore[union-attr]
    assert [len(one.events) for one in by_weight] == [1, 1, 1, 1]  # type: ignore[union-attr]


def test_what_the_partner_cannot_take_is_not_sent() -> None:
    """Another call type is filtered; an event over the partner's size is kept with the reason."""
    other, long, wide = delivery(1), delivery(2, note="n" * 3_000), delivery(3, messageId="m" * 100)
    other.type = "group"

    made = toy().mapped([other, long, wide])

    assert [(one.reason, one.outcome.kind, one.outcome.code) for one in made if isinstance(one, Skip)] == [
        ("unsupported_type", Kind.FILTERED, "unsupported_type"),
        ("too_large", Kind.REJECTED, "TOO_LARGE"),
        ("too_large", Kind.REJECTED, "TOO_LARGE"),
    ]


async def test_a_skipped_event_is_filtered_and_its_neighbour_sent(partner: ToyPartner) -> None:
    """With its reason."""

    def make(events: Sequence[Delivery]) -> Iterable[HttpRequest | Skip]:
        yield Skip(events[0], "no_email")
        yield post(events[1:])

    assert await sent(partner, [delivery(1), delivery(2)], make=make) == ["filtered no_email", "delivered 200"]


async def test_a_mapping_that_fails_costs_its_event_only(partner: ToyPartner) -> None:
    """It is kept with the reason; the others are delivered."""

    def make(events: Sequence[Delivery]) -> Iterable[HttpRequest | Skip]:
        assert all(event.body["messageId"] != "m2" for event in events)
        return [post(events)]

    outcomes = await sent(partner, [delivery(number) for number in range(4)], make=make)

    assert outcomes == ["delivered 200", "delivered 200", "rejected MAPPING_FAILED", "delivered 200"]
    assert partner.accepted() == ["/take:m0", "/take:m1", "/take:m3"]


async def test_an_event_that_the_mapping_forgets_is_kept(partner: ToyPartner) -> None:
    """Nothing disappears by a mistake."""
    outcomes = await sent(partner, [delivery(1), delivery(2)], make=lambda events: [post(events[:1])])

    assert outcomes == ["delivered 200", "rejected MAPPING_FAILED"]


async def test_an_event_in_several_requests_fares_as_the_worst(partner: ToyPartner) -> None:
    """And what follows a failure is not sent."""

    def make(events: Sequence[Delivery]) -> Iterable[HttpRequest | Skip]:
        yield post(events, "/one")
        yield post(events[:1], "/fail")
        yield post(events[:1], "/three")

    assert await sent(partner, [delivery(1), delivery(2)], make=make) == ["retry 503", "delivered 200"]
    assert partner.accepted() == ["/one:m1", "/one:m2"]


async def test_an_answer_can_lead_to_the_next_request(partner: ToyPartner) -> None:
    """Find, then update; a request that several events wait for is sent once."""

    def make(events: Sequence[Delivery]) -> Iterable[HttpRequest | Skip]:
        yield HttpRequest("GET", "/find", events)

    def reading(request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        if request.url != "/find":
            return [Outcome(Kind.DELIVERED, response.code)] * len(request.events)
        return [post(request.events, f"/people/{response.json['id']}")] * len(request.events)

    outcomes = await sent(partner, [delivery(1), delivery(2)], make=make, reading=reading)

    assert outcomes == ["delivered 200"] * 2
    assert partner.accepted() == ["/people/7:m1", "/people/7:m2"]
    assert [(call.method, call.path) for call in partner.calls] == [("GET", "/find"), ("POST", "/people/7")]


@pytest.mark.parametrize("reading", [lambda *_: [], lambda *_: 1 / 0], ids=["loses count", "raises"])
async def test_an_answer_that_cannot_be_read_is_taken_by_its_status(partner: ToyPartner, reading: Any) -> None:
    """A 2xx was a yes: sent, not confirmed, and not sent again."""
    failing = await sent(partner, [delivery(1)], reading=reading, make=lambda events: [post(events, "/fail")])

    assert await sent(partner, [delivery(1), delivery(2)], reading=reading) == ["unconfirmed 200"] * 2
    assert failing == ["retry 503"]


async def test_partial_failures_are_read_one_by_one(partner: ToyPartner) -> None:
    """All but those that the answer names."""

    def make(events: Sequence[Delivery]) -> Iterable[HttpRequest | Skip]:
        return [post(events)]

    def reading(request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        return toy().all_but(request, response, {1: Outcome(Kind.REJECTED, "400", "field name")})

    outcomes = await sent(partner, [delivery(n) for n in range(3)], make=make, reading=reading)

    assert outcomes == ["delivered 200", "rejected 400", "delivered 200"]


async def test_requests_that_no_time_is_left_for_come_again(
    partner: ToyPartner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was delivered before is not repeated."""
    times = iter([0.0, 1.0, 5.1])
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: next(times))
    requests = [HttpRequest("GET", "/find", [event]) for event in (delivery(1), delivery(2))]
    one = toy(make=lambda events: [requests[int(event.body["messageId"][1:]) - 1] for event in events])
    asked: list[HttpRequest] = []

    async def answer(request: HttpRequest) -> HttpResponse:
        asked.append(request)
        return HttpResponse(200, "200")

    monkeypatch.setattr(one, "_ask", answer)
    outcomes = await one.send([event for request in requests for event in request.events])
    monkeypatch.undo()

    assert [(outcome.kind, outcome.code) for outcome in outcomes] == [
        (Kind.DELIVERED, "200"),
        (Kind.RETRY, "ETIMEDOUT"),
    ]
    assert asked == requests[:1]


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "https://us.example"), ({"region": "eu"}, "https://eu.example"),
        ({"base_url": "http://127.0.0.1:8080/"}, "http://127.0.0.1:8080"),
    ],
)  # fmt: skip
def test_a_partner_has_regions_and_a_base_url(given: dict[str, str], address: str) -> None:
    """The first region is the default; `base_url` comes before both."""
    assert ToySettings.model_validate(given).address == address


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"region": "ap"}, "expected one of us, eu, got ap"), ({"base_url": "x"}, "expected an http or https URL"),
        ({"token": "a b"}, "expected a key without blanks"), ({"token": "abc\n"}, "expected a key without blanks"),
        ({"token": ""}, "expected a key"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_named(given: dict[str, str], message: str) -> None:
    """When the topology is read."""
    with pytest.raises(ValidationError, match=message):
        ToySettings.model_validate(given)


def test_json_requests_carry_their_headers() -> None:
    """Keywords become header names."""
    made = HttpRequest.of_json("PUT", "/x", [delivery(1)], {"a": 1}, Idempotency_Key="k")

    assert (orjson.loads(made.body), dict(made.headers)) == (
        {"a": 1},
        {"Content-Type": "application/json", "Idempotency-Key": "k"},
    )


class TokenPartner(ToyPartner):
    """Takes the last token that it has granted, which it may withdraw; `denied` is its answer in place of a token."""

    granted = 0
    denied: Reply | None = None

    def answer(self, call: Call) -> Reply:
        if call.path == "/token":
            self.granted += 1
            return self.denied or Reply(200, {"access_token": f"token-{self.granted}", "expires_in": 3_600})
        if call.headers.get("authorization") != f"Bearer token-{self.granted}":
            return Reply(401, {"error": "expired"})
        return super().answer(call)


@pytest.fixture
async def granting(tmp_path: Path) -> AsyncIterator[TokenPartner]:
    async with TokenPartner(tmp_path) as one:
        yield one


@pytest.fixture
async def signed_in(granting: TokenPartner) -> AsyncIterator[Toy]:
    made = type("Made", (Toy,), {"token_request": lambda self: HttpRequest("POST", "/token", (), b"grant_type=x")})
    one: Toy = made("crm", ToySettings.model_validate(granting.settings), 5.0)
    await one.open()
    yield one
    await one.close()


async def outcomes(connector: Toy, *numbers: int) -> list[str]:
    return [f"{one.kind.value} {one.code}" for one in await connector.send([delivery(number) for number in numbers])]


async def test_an_access_token_is_fetched_once(granting: TokenPartner, signed_in: Toy) -> None:
    """Requests that need it at the same time wait for one."""
    sent = await asyncio.gather(*[outcomes(signed_in, number) for number in range(5)])

    assert sent == [["delivered 200"]] * 5
    assert granting.granted == 1


async def test_an_access_token_is_renewed_before_it_ends(granting: TokenPartner, signed_in: Toy) -> None:
    now = 1_000.0
    signed_in.clock = lambda: now
    await outcomes(signed_in, 1)
    now += 3_600 - 61
    await outcomes(signed_in, 2)
    assert granting.granted == 1

    now += 1
    await outcomes(signed_in, 3)
    assert granting.granted == 2


async def test_an_access_token_that_is_refused_is_renewed_once(granting: TokenPartner, signed_in: Toy) -> None:
    await outcomes(signed_in, 1)
    granting.granted = 7  # as if somebody else had been granted one

    assert await outcomes(signed_in, 2) == ["delivered 200"]
    assert granting.granted == 8
    assert len([call for call in granting.calls if call.path == "/take"]) == 3

    granting.granted = 20
    granting.trouble("refuse")
    assert await outcomes(signed_in, 3) == ["refused 401"]


@pytest.mark.parametrize(
    ("answer", "expected", "detail"),
    [
        (Reply(400, {"error": "invalid_grant"}), "refused 401", "sign in again"),
        (Reply(401, {"error": "invalid_client"}), "refused 401", "invalid_client"),
        (Reply(400, {"error": "Ada's secret"}), "refused 401", "no access token"),
        (Reply(503, "down"), "retry 503", ""),
        (Reply(429, "slow down", {"Retry-After": "7"}), "retry 429", ""),
        (Reply(200, {"expires_in": 1}), "retry NO_TOKEN", "holds no access token"),
    ],
)
async def test_without_an_access_token_nothing_is_sent(
    granting: TokenPartner, signed_in: Toy, answer: Reply, expected: str, detail: str
) -> None:
    granting.denied = answer

    (outcome,) = await signed_in.send([delivery(1)])

    assert f"{outcome.kind.value} {outcome.code}" == expected
    assert detail in outcome.detail
    assert outcome.retry_after == (7.0 if "429" in expected else None)
    assert [call.path for call in granting.calls] == ["/token"]


async def test_a_preview_names_the_access_token_without_having_one(granting: TokenPartner, signed_in: Toy) -> None:
    (request,) = [one for one in signed_in.mapped([delivery(1)]) if isinstance(one, HttpRequest)]

    assert preview(signed_in, request, Mask(), 0.0).headers["Authorization"] == "Bearer ***"
    assert granting.calls == []


@pytest.mark.parametrize(
    "url",
    [
        *("https:// x", "https://x y/z", "https://x.example\n", " https://x", "https://x\u00a0y/", "https://x\0y"),
        *("https://.", "https://x..y/", f"https://{'x' * 64}.example", "https:///x", "https://x.example:99999/"),
        *("x.example", "ftp://x", "https://{host}/x", "https://ada:secret@x.example"),
    ],
)
def test_a_url_that_nothing_can_be_sent_to_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        checked_url(url)
    assert url not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://kundé.example/ü b?q=[1]",
        "https://[::1]:8/x",
        "http://localhost:1",
        "https://a_b.example/?a=%20&s=x%2Fy",
    ],
)
def test_a_url_is_left_as_it_is_written(url: str) -> None:
    assert checked_url(url) == url


def test_a_number_of_any_length_is_in_the_body() -> None:
    """An amount in cents may have more digits than the amount."""
    assert HttpRequest.of_json("POST", "/x", [], {"amount": 10**20}).body == b'{"amount":100000000000000000000}'
