"""PostHog: an event in, the item of the batch out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from router.destinations.base import Delivery, Kind, Outcome
from router.destinations.http import HttpRequest, Skip
from router.destinations.posthog import Posthog, PosthogSettings
from router.destinations.response import HttpResponse
from tests.deliveries import call
from tests.partners.posthog import PosthogPartner

PAGE = "https://shop.example/hats?x=1"


def event(kind: str = "track", name: str = "Signed Up", **fields: Any) -> Delivery:
    return call(kind, name, **fields)


def connector(**settings: Any) -> Posthog:
    return Posthog("ph", PosthogSettings.model_validate({"api_key": "phc_1"} | settings), 10.0)


def sent(one: Delivery, **settings: Any) -> Any:
    """The item, or the reason why there is none."""
    (made,) = connector(**settings).mapped([one])
    return made.reason if isinstance(made, Skip) else orjson.loads(made.body)["batch"][0]


def item(name: str = "Signed Up", who: str = "u1", /, **properties: Any) -> dict[str, Any]:
    known = {"plan": "pro", "$geoip_disable": True} | properties
    return {
        "event": name, "distinct_id": who, "uuid": "00000000-0000-8000-8000-000000000001",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "properties": {key: one for key, one in known.items() if one is not None},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        # events, and whose they are
        (event(), {}, item()),
        (event(userId=None, anonymousId="a1"), {}, item("Signed Up", "a1", **{"$process_person_profile": False})),
        (event(userId=None, anonymousId="a1"), {"anonymous_profiles": True}, item("Signed Up", "a1")),
        (event(userId="guest", anonymousId="a1"), {}, item("Signed Up", "a1", **{"$process_person_profile": False})),
        (event(userId="null"), {}, "no_user_id"),
        (event(name=""), {}, "no_event_name"),
        (event(name="$create_alias"), {}, "reserved_event_name"),
        (event(properties={"distinct_id": "x", "token": "x", "$anon_distinct_id": "x", "plan": "pro"}), {}, item()),
        (event(properties={"total": "12,50 €", "none": None}), {}, item(plan=None, total=12.5)),
        # where it happened
        (event(context={"ip": "192.0.2.1", "os": {"name": "iOS"}, "page": {"url": PAGE}, "campaign": {"source": "mail"},
                        "library": {"name": "analytics.js", "version": "2.1"}, "groupId": "g1"}), {},
         item(**{"$geoip_disable": None, "$ip": "192.0.2.1", "$os": "iOS", "$current_url": PAGE, "utm_source": "mail",
                 "$lib": "analytics.js", "$lib_version": "2.1", "$groups": {"company": "g1"}})),
        (event(context={"userAgent": "Mozilla/5.0 (X11) Firefox/140.0"}), {},
         item(**{"$browser": "Firefox", "$raw_user_agent": "Mozilla/5.0 (X11) Firefox/140.0"})),
        (event(context={"traits": {"plan": "pro", "created": "2025"}}), {"set_once": ["created"]},
         item(**{"$set": {"plan": "pro"}, "$set_once": {"created": "2025"}})),
        # pages and screens
        (event("page", "Hats", properties={"url": PAGE, "title": "Hats"}), {},
         item("$pageview", plan=None, name="Hats", url=PAGE, title="Hats",
              **{"$current_url": PAGE, "$host": "shop.example", "$pathname": "/hats", "$title": "Hats"})),
        (event("page", "", context={"page": {"url": PAGE, "referrer": "https://a.example"}}), {},
         item("$pageview", **{"$current_url": PAGE, "$host": "shop.example", "$pathname": "/hats",
                              "$referrer": "https://a.example"})),
        (event("page", "", properties={"url": "http://[::1"}), {},
         item("$pageview", plan=None, url="http://[::1", **{"$current_url": "http://[::1"})),
        (event("page", "", properties={"url": "https://a℀b/"}), {},
         item("$pageview", plan=None, url="https://a℀b/", **{"$current_url": "https://a℀b/"})),
        (event("screen", "Home"), {}, item("$screen", **{"$screen_name": "Home"})),
        # people
        (event("identify", anonymousId="a1", traits={"plan": "pro", "seats": None}), {},
         item("$identify", plan=None, **{"$set": {"plan": "pro"}, "$unset": ["seats"], "$anon_distinct_id": "a1"})),
        (event("identify", anonymousId="u1", traits={"created": "2025"}), {"set_once": ["created"]},
         item("$identify", plan=None, **{"$set_once": {"created": "2025"}})),
        (event("identify", userId=None, anonymousId="a1", traits={"plan": "pro"}), {}, "anonymous_identify"),
        (event("identify", userId=None, anonymousId="a1", traits={"plan": "pro"}), {"anonymous_profiles": True},
         item("$set", "a1", plan=None, **{"$set": {"plan": "pro"}})),
        # groups
        (event("group", groupId="g1", traits={"name": "Acme"}), {"group_type": "team"},
         item("$groupidentify", plan=None,
              **{"$group_type": "team", "$group_key": "g1", "$group_set": {"name": "Acme"}})),
        (event("group", groupId="g1", traits={"groupType": "school"}), {},
         item("$groupidentify", plan=None, **{"$group_type": "school", "$group_key": "g1"})),
        (event("group"), {}, "no_group_id"),
        # alias
        (event("alias", previousId="old"), {}, item("$create_alias", plan=None, alias="old")),
        (event("alias", previousId="u1"), {}, "no_previous_id"),
        (event("alias", previousId="anonymous"), {}, "no_previous_id"),
        (event("alias", userId=None, anonymousId="a1", previousId="old"), {}, "no_previous_id"),
    ],
)  # fmt: skip
def test_each_call_in_posthogs_words(given: Delivery, settings: dict[str, Any], expected: Any) -> None:
    assert sent(given, **settings) == expected


@pytest.mark.parametrize(
    ("given", "uuid"),
    [
        ("018F6B8E-8E1B-7A3C-9F00-000000000001", "018f6b8e-8e1b-7a3c-9f00-000000000001"),
        ("node-1", "00000000-0000-8000-8000-000000000001"),
    ],
)
def test_the_uuid_is_the_message_id_or_made_of_it(given: str, uuid: str) -> None:
    """PostHog drops an event whose uuid is none."""
    assert sent(event(messageId=given))["uuid"] == uuid


def test_a_second_attempt_is_the_same_to_the_byte() -> None:
    first, second = event(anonymousId="a1"), event(anonymousId="a1")
    second.attempt = 2

    bodies = [one.body for again in (first, second) for one in connector().mapped([again]) if not isinstance(one, Skip)]

    assert bodies[0] == bodies[1]


def test_old_events_are_marked_as_a_migration_when_asked() -> None:
    for settings, expected in (({}, None), ({"historical_migration": True}, True)):
        (made,) = connector(**settings).mapped([event()])
        assert isinstance(made, HttpRequest)
        assert orjson.loads(made.body).get("historical_migration") is expected


@pytest.mark.parametrize(
    ("status", "kind", "shared"),
    [
        (200, Kind.UNCONFIRMED, False), (400, Kind.REJECTED, True), (401, Kind.REFUSED, False),
        (413, Kind.REJECTED, True), (429, Kind.RETRY, True), (503, Kind.RETRY, True),
    ],
)  # fmt: skip
def test_what_posthog_answers(status: int, kind: Kind, shared: bool) -> None:
    read = connector().read(HttpRequest("POST", "/batch/", [event(), event()]), HttpResponse(status, str(status)))

    assert [(one.kind, one.shared) for one in read if isinstance(one, Outcome)] == [(kind, shared)] * 2


async def deliver(partner: PosthogPartner, *events: Delivery, **settings: Any) -> list[Outcome]:
    one = partner.connector(**settings)
    await one.open()
    try:
        return list(await one.send(events))
    finally:
        await one.close()


async def test_a_project_without_quota_pauses_and_drops_nothing(tmp_path: Path) -> None:
    async with PosthogPartner(tmp_path) as partner:
        partner.full = True
        (outcome,) = await deliver(partner, event())

    assert (outcome.kind, outcome.code) == (Kind.REFUSED, "QUOTA")


async def test_what_a_visitor_did_joins_the_user(tmp_path: Path) -> None:
    async with PosthogPartner(tmp_path) as partner:
        await deliver(partner, event("identify", anonymousId="a1"), event("alias", previousId="old"))

    assert partner.joined == {"a1": "u1", "old": "u1"}


async def test_a_person_with_3000_traits_arrives_whole(tmp_path: Path) -> None:
    async with PosthogPartner(tmp_path) as partner:
        await deliver(partner, event("identify", traits={f"k{number}": number for number in range(3_000)}))

    assert len(partner.events[0]["properties"]["$set"]) == 3_000


async def test_a_key_that_is_not_taken_pauses_and_is_never_shown(tmp_path: Path) -> None:
    async with PosthogPartner(tmp_path) as partner:
        (outcome,) = await deliver(partner, event(), api_key="phc_other")

    assert outcome.kind is Kind.REFUSED
    assert outcome.exchange is not None
    assert "phc_other" not in outcome.exchange.request + outcome.exchange.response


@pytest.mark.parametrize(
    ("settings", "words"), [({"api_key": "a key"}, "without blanks"), ({"region": "ch"}, "expected one of us, eu")]
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        connector(**settings)


def test_regions_have_addresses_of_their_own_and_one_may_host_it() -> None:
    assert connector().settings.address == "https://us.i.posthog.com"
    assert connector(region="eu").settings.address == "https://eu.i.posthog.com"
    assert connector(base_url="https://posthog.shop.example/").settings.address == "https://posthog.shop.example"
