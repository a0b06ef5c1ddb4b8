"""HubSpot: webhooks of an app, a list of changes a post.

A change names an object by its number and one property of it. A contact is `hubspot:contact:NUMBER` as anonymousId
until a change of its e-mail, or of the property with your user id, tells who it is. HubSpot's opened and clicked mails
are no webhooks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from router.config.types import Duration, Secret
from router.events.event import Body
from router.partner_sources.base import TOLERANCE, Post
from router.partner_sources.reading import chosen, filled, text
from router.partner_sources.signatures import NO_SIGNATURE, check, hmac_of, stale
from router.partner_sources.table import Person, TableSettings, TableSource

_OBJECTS = {"0-1": "contact", "0-2": "company", "0-3": "deal", "0-5": "ticket", "0-7": "product", "0-8": "line_item"}
_ACTIONS = {
    "creation": "Created",
    "deletion": "Deleted",
    "merge": "Merged",
    "restore": "Restored",
    "propertyChange": "Property Changed",
    "associationChange": "Association Changed",
}
_WORDS = {"contact": "Contact", "company": "Company", "deal": "Deal", "ticket": "Ticket"}
_WORDS |= {"product": "Product Record", "line_item": "Line Item"}
_NAMES = {
    **{f"{kind}.{action}": f"{what} {name}" for kind, what in _WORDS.items() for action, name in _ACTIONS.items()},
    "contact.privacyDeletion": "Contact Deleted for Privacy",
}
_TRAITS = {"firstname": "firstName", "lastname": "lastName", "jobtitle": "title", "createdate": "createdAt"}
_IDS = (
    *("portalId", "appId", "subscriptionId", "eventId", "objectId", "propertyName", "propertyValue", "changeSource"),
    *("sourceId", "changeFlag", "mergedObjectIds", "primaryObjectId", "newObjectId", "fromObjectId", "toObjectId"),
    *("associationType", "isPrimaryAssociation"),
)


class HubspotSourceSettings(TableSettings):
    client_secret: Secret = Field(description="The client secret of the app")
    url: str = Field(
        pattern=r"^https?://", description="The URL as entered at HubSpot, which is signed, whatever proxies make of it"
    )
    user_id: str | None = Field(None, description="The contact property that holds the person's userId")
    tolerance: Duration = Field(
        TOLERANCE, validate_default=True, description="The largest age of a signature; older posts are refused"
    )


class HubspotSource(TableSource):
    type = "hubspot"
    partner = "HubSpot"
    summary = "HubSpot: contacts and companies that change, as identify and group calls"
    enter = "The app, Webhooks: the URL, which is `url` too, and the subscriptions you want; Auth has `client_secret`"
    signature = "HMAC-SHA256 over method, URL, body and time, in `X-HubSpot-Signature-v3`"
    names = _NAMES
    Settings = HubspotSourceSettings

    def verify(self, post: Post, now: float) -> str:
        given = post.headers.get("X-HubSpot-Signature-v3", "")
        timestamp = post.headers.get("X-HubSpot-Request-Timestamp", "")
        if not given or not timestamp:
            return NO_SIGNATURE
        head = f"{post.method}{self.settings.url}".encode()
        signed = head + post.body + timestamp.encode(errors="replace")
        expected = hmac_of(self.settings.client_secret, "sha256", signed, "base64")
        return check(expected, [given]) or stale(timestamp, now, self.settings.tolerance)

    def kind(self, item: Body) -> str:
        """`object.propertyChange` and the like name the object's kind apart."""
        object_, _, action = text(item.get("subscriptionType")).partition(".")
        if object_ == "object":
            type_id = text(item.get("objectTypeId"))
            object_ = _OBJECTS.get(type_id, type_id)
        return f"{object_}.{action}"

    def event_id(self, item: Body) -> str:
        """`eventId` alone is not unique."""
        parts = ("portalId", "subscriptionId", "eventId", "objectId", "occurredAt", "propertyName")
        found = [text(item.get(name)) for name in parts]
        return "-".join(found) if found[2] else ""

    def time(self, item: Body) -> Any:
        return item.get("occurredAt")

    def person(self, item: Body) -> Person:
        object_, number = self.kind(item).partition(".")[0], text(item.get("objectId"))
        said = text(item.get("propertyValue"))
        of_contact = {text(item.get("propertyName")): said} if object_ == "contact" else {}
        user_id = of_contact.get(self.settings.user_id or "", "")
        return Person(user_id, of_contact.get("email", ""), f"hubspot:{object_}:{number}" if number else "")

    def properties(self, item: Body) -> dict[str, Any]:
        return chosen(item, *_IDS)

    def events(self, kind: str, item: Body) -> Iterator[Body]:
        name, value = text(item.get("propertyName")), item.get("propertyValue")
        if kind in self.settings.events:
            yield from super().events(kind, item)
        elif kind in ("contact.creation", "contact.propertyChange"):
            yield {"type": "identify", "traits": filled({_TRAITS.get(name, name): value} if name else {})}
        elif kind in ("company.creation", "company.propertyChange") and (number := text(item.get("objectId"))):
            yield {"type": "group", "groupId": number, "traits": filled({name: value} if name else {})}
        else:
            yield from super().events(kind, item)
