"""Klaviyo: system webhooks, a list of events a post.

A post that is refused for 48 hours makes Klaviyo switch the webhook off. Webhooks of flows are bodies of your own
making without a signature: use the type `hook` for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from router.config.types import Duration, Secret
from router.events.event import Body
from router.partner_sources.base import TOLERANCE, Post, Unreadable, json_of
from router.partner_sources.reading import dig, first, text
from router.partner_sources.signatures import NO_SIGNATURE, check, hmac_of, stale
from router.partner_sources.table import Person, TableSettings, TableSource

_PREFIX = "event:klaviyo."
_NAMES = {
    "sent_email": "Email Sent",
    "received_email": "Email Delivered",
    "email_delivered": "Email Delivered",
    "opened_email": "Email Opened",
    "clicked_email": "Email Link Clicked",
    "bounced_email": "Email Bounced",
    "dropped_email": "Email Dropped",
    "marked_email_as_spam": "Email Marked as Spam",
    "unsubscribed_from_email_marketing": "Unsubscribed",
    "unsubscribed_from_list": "Unsubscribed",
    "clicked_email_to_unsubscribe": "Unsubscribe Link Clicked",
    "subscribed_to_email_marketing": "Subscribed",
    "manually_suppressed_from_email_marketing": "Email Suppressed",
    "manually_unsuppressed_from_email_marketing": "Email Unsuppressed",
    "updated_email_preferences": "Email Preferences Updated",
    "sent_sms": "SMS Sent",
    "received_sms": "SMS Delivered",
    "clicked_sms": "SMS Link Clicked",
    "failed_to_deliver_sms": "SMS Delivery Failed",
    "received_automated_response_sms": "SMS Automated Response Delivered",
    "failed_to_deliver_automated_response_sms": "SMS Automated Response Failed",
    "consented_to_receive_sms": "SMS Subscribed",
    "received_push": "Push Notification Received",
    "opened_push": "Push Notification Opened",
    "bounced_push": "Push Notification Bounced",
    "ready_to_review": "Review Requested",
    "submitted_review": "Product Reviewed",
}


class KlaviyoSourceSettings(TableSettings):
    secret: Secret = Field(description="The secret key of the webhook, of at least 16 characters")
    tolerance: Duration = Field(
        TOLERANCE, validate_default=True, description="The largest age of a signature; older posts are refused"
    )


class KlaviyoSource(TableSource):
    type = "klaviyo"
    partner = "Klaviyo"
    summary = "Klaviyo: what became of mail, SMS and push"
    enter = "The Webhooks API (Advanced KDP): endpoint_url the URL, secret_key `secret`, and the topics you want"
    signature = "HMAC-SHA256 over body and time, in `Klaviyo-Signature` and `Klaviyo-Timestamp`"
    names = _NAMES
    Settings = KlaviyoSourceSettings

    def verify(self, post: Post, now: float) -> str:
        given, timestamp = post.headers.get("Klaviyo-Signature", ""), post.headers.get("Klaviyo-Timestamp", "")
        if not given or not timestamp:
            return NO_SIGNATURE
        expected = hmac_of(self.settings.secret, "sha256", post.body + timestamp.encode(errors="replace"))
        return check(expected, [given.lower()]) or stale(timestamp, now, self.settings.tolerance)

    def items(self, post: Post) -> Iterable[Any]:
        found = dig(json_of(post.body), "data")
        if type(found) is not list:
            raise Unreadable("no_items")
        return found

    def kind(self, item: Body) -> str:
        return text(item.get("topic")).removeprefix(_PREFIX)

    def event_id(self, item: Body) -> str:
        return first(item.get("external_id"), dig(item, "payload", "data", "id"))

    def time(self, item: Body) -> Any:
        attributes = dig(item, "payload", "data", "attributes", kind=dict)
        return attributes.get("datetime") or attributes.get("timestamp")

    def person(self, item: Body) -> Person:
        included = dig(item, "payload", "included", kind=list)
        profiles = [one for one in included if dig(one, "type") == "profile"]
        said = dig(profiles[0] if profiles else None, "attributes", kind=dict)
        own = text(dig(item, "payload", "data", "relationships", "profile", "data", "id"))
        return Person(text(said.get("external_id")), text(said.get("email")), own, text(said.get("phone_number")))

    def properties(self, item: Body) -> dict[str, Any]:
        said = dig(item, "payload", "data", "attributes", "event_properties", kind=dict)
        name = text(said.get("Campaign Name"))
        return {
            "email_id": said.get("$message") if "email" in self.kind(item) else None,
            "email_subject": said.get("Subject"),
            "campaign_id": first(said.get("$message"), said.get("$flow")),
            "campaign_name": name,
            "campaign": {"name": name, "medium": "Push"} if self.kind(item).endswith("_push") and name else None,
            "flow_id": said.get("$flow"),
            "link_url": said.get("URL"),
            "bounce_type": said.get("Bounce Type"),
            "list_name": said.get("List"),
            "event_id": dig(item, "payload", "data", "id"),
        }
