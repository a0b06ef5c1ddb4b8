"""HubSpot: what it posts, and the calls made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.partner_sources.doubles.double import NOW
from tests.partner_sources.doubles.hubspot import HubspotDouble, change

DOUBLE = HubspotDouble()


def made(item: dict[str, Any], **settings: Any) -> Any:
    (post,) = DOUBLE.posts([item])
    (found,) = DOUBLE.source(**settings).read(post)
    return found.event


def test_a_changed_property_is_a_trait() -> None:
    assert made(change("contact.propertyChange", propertyName="firstname", propertyValue="Ada")) == {
        "type": "identify",
        "messageId": "hubspot:62515-138-100-1246965-1564113600000-firstname",
        "anonymousId": "hubspot:contact:1246965",
        "traits": {"firstName": "Ada"},
        "timestamp": "2019-07-26T04:00:00.000Z",
        "context": {"integration": {"name": "HubSpot"}},
        "channel": "server",
        "integrations": {"HubSpot": False},
    }


def test_who_a_contact_is_is_told_by_two_of_its_properties() -> None:
    mail = made(change("contact.propertyChange", propertyName="email", propertyValue="ada@example.com"))
    assert mail["traits"] == {"email": "ada@example.com"}
    assert mail["context"]["traits"] == {"email": "ada@example.com"}
    user = made(change("contact.propertyChange", propertyName="account_id", propertyValue="u42"))
    assert (user["userId"], user["anonymousId"]) == ("u42", "hubspot:contact:1246965")
    assert "userId" not in made(change("company.propertyChange", propertyName="account_id", propertyValue="u42"))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (change("contact.creation"), {"type": "identify", "traits": {}}),
        (change("contact.deletion"), {"type": "track", "event": "Contact Deleted"}),
        (change("contact.privacyDeletion"), {"type": "track", "event": "Contact Deleted for Privacy"}),
        (
            change("company.propertyChange", propertyName="name", propertyValue="Initech"),
            {"type": "group", "groupId": "1246965", "traits": {"name": "Initech"}},
        ),
        (change("deal.creation"), {"type": "track", "event": "Deal Created"}),
        (change("object.creation", objectTypeId="0-5"), {"type": "track", "event": "Ticket Created"}),
        (
            change("object.propertyChange", objectTypeId="0-1", propertyName="a", propertyValue="b"),
            {"traits": {"a": "b"}},
        ),
    ],
)
def test_calls(item: dict[str, Any], expected: dict[str, Any]) -> None:
    found = made(item)
    assert {name: found[name] for name in expected} == expected


def test_the_number_of_an_event_is_not_its_id_alone() -> None:
    one = made(change("contact.propertyChange", propertyName="a", propertyValue="b"))
    other = made(change("contact.propertyChange", propertyName="a", propertyValue="b", objectId=7))
    again = made(change("contact.propertyChange", propertyName="a", propertyValue="b", attemptNumber=3))
    assert one["messageId"] == again["messageId"] != other["messageId"]


def test_what_is_signed_is_the_url_as_entered_not_as_a_proxy_leaves_it() -> None:
    post = replace(DOUBLE.post(DOUBLE.body(DOUBLE.items)), path="/internal/hooks/mail")
    assert DOUBLE.source().verify(post, NOW) == ""
    assert DOUBLE.source(url="https://other.example/v1/hooks/mail").verify(post, NOW) == "bad_signature"
