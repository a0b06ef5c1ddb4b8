"""AppsFlyer: what it posts, and the events made of it."""

from __future__ import annotations

from typing import Any

import pytest

from router.partner_sources.base import Post
from tests.partner_sources.doubles.appsflyer import AppsflyerDouble, message
from tests.partner_sources.doubles.double import KEY, NOW

DOUBLE = AppsflyerDouble()


def made(item: dict[str, Any]) -> Any:
    (post,) = DOUBLE.posts([item])
    (found,) = DOUBLE.source().read(post)
    return found.event


def test_an_install() -> None:
    found = made(message("install"))
    assert found == {
        "type": "track",
        "event": "Install Attributed",
        "messageId": found["messageId"],
        "userId": "u42",
        "anonymousId": "1547985076649-5309999",
        "timestamp": "2020-01-15T14:57:24.800Z",
        "properties": {
            "provider": "AppsFlyer",
            "campaign": {
                "source": "Search Network",
                "name": "Winter sale",
                "medium": "Search",
                "content": "Blue boots",
                "ad_creative": "Blue boots",
                "ad_group": "Runners",
            },
            "campaign_name": "Winter sale",
            "appsflyer_id": "1547985076649-5309999",
            "conversion_type": "install",
        },
        "context": {
            "app": {"version": "7.3"},
            "device": {"type": "ios", "advertisingId": "2D9ECA3A-28E2-4F38-A8D5-DA33EE0DE7A4"},
            "location": {"country": "DE"},
            "ip": "203.0.113.7",
            "integration": {"name": "AppsFlyer"},
        },
        "channel": "server",
        "integrations": {"AppsFlyer": False},
    }


@pytest.mark.parametrize(
    ("item", "name", "properties"),
    [
        (message("reinstall"), "Install Attributed", {"provider": "AppsFlyer"}),
        (message("re-engagement", original_url="https://a.b/c"), "Deep Link Opened", {"url": "https://a.b/c"}),
        (message("uninstall"), "Application Uninstalled", {}),
        (
            message(
                "af_purchase", event_value='{"af_content_id": "b1"}', event_revenue="6.5", event_revenue_currency="EUR"
            ),
            "af_purchase",
            {"af_content_id": "b1", "revenue": 6.5, "currency": "EUR"},
        ),
        (message("Level Completed", event_value="12"), "Level Completed", {"event_value": 12}),
        (message("Level Completed", event_value="{twelve"), "Level Completed", {"event_value": "{twelve"}),
        (message("install", media_source=None, campaign_type="organic", campaign=None), "Install Attributed", {}),
    ],
)
def test_an_event_of_the_apps_own_keeps_its_name(item: dict[str, Any], name: str, properties: dict[str, Any]) -> None:
    found = made(item)
    assert found["event"] == name
    assert properties.items() <= found["properties"].items()


def test_the_older_form_has_all_in_the_url() -> None:
    post = DOUBLE.by_get(message("install"))
    source = DOUBLE.source()
    assert source.verify(post, NOW) == ""
    (found,) = source.read(post)
    expected = made(message("install"))
    assert found.event is not None
    assert (found.event["messageId"], found.event["event"]) == (expected["messageId"], "Install Attributed")
    assert "token" not in str(found)
    assert source.read(Post("GET", "", f"token={KEY}", {}, b"")) == []
    assert source.verify(Post("GET", "", "event_name=install", {}, b""), NOW) == "no_signature"


def test_a_time_of_the_same_device_makes_another_event() -> None:
    one, again, other = message("e"), message("e", campaign="Later"), message("e", event_time="2020-01-15 14:57:25.000")
    assert made(one)["messageId"] == made(again)["messageId"] != made(other)["messageId"]
