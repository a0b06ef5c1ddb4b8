"""Customer.io: reporting webhooks, one event a post.

Customer.io waits four seconds, repeats a post for seven days, and holds back all later ones until it is taken: a wrong
signing key stops the stream. Its events name no campaign; `campaigns` gives names to their ids.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from router.config.types import Duration, Secret
from router.events.event import Body
from router.partner_sources.base import TOLERANCE, Post
from router.partner_sources.reading import chosen, dig, first, text
from router.partner_sources.signatures import NO_SIGNATURE, check, hmac_of, stale
from router.partner_sources.table import Person, TableSettings, TableSource

_EMAIL = {
    "drafted": "Email Drafted",
    "attempted": "Email Attempted",
    "sent": "Email Sent",
    "delivered": "Email Delivered",
    "opened": "Email Opened",
    "clicked": "Email Link Clicked",
    "converted": "Email Converted",
    "bounced": "Email Bounced",
    "deferred": "Email Deferred",
    "dropped": "Email Dropped",
    "spammed": "Email Marked as Spam",
    "failed": "Email Failed",
    "undeliverable": "Email Undeliverable",
    "subscribed": "Subscribed",
    "unsubscribed": "Unsubscribed",
}
_PUSH = {
    "drafted": "Push Notification Drafted",
    "attempted": "Push Notification Attempted",
    "sent": "Push Notification Sent",
    "delivered": "Push Notification Received",
    "opened": "Push Notification Opened",
    "clicked": "Push Notification Link Clicked",
    "converted": "Push Notification Converted",
    "bounced": "Push Notification Bounced",
    "dropped": "Push Notification Dropped",
    "failed": "Push Notification Failed",
    "undeliverable": "Push Notification Undeliverable",
}
_OTHER = {
    "drafted": "Drafted",
    "attempted": "Attempted",
    "sent": "Sent",
    "delivered": "Delivered",
    "opened": "Opened",
    "clicked": "Link Clicked",
    "converted": "Converted",
    "bounced": "Bounced",
    "dropped": "Dropped",
    "failed": "Failed",
    "undeliverable": "Undeliverable",
}
_CHANNELS = {"sms": "SMS", "in_app": "In-App Message", "whatsapp": "WhatsApp Message"}
_CHANNELS |= {"slack": "Slack Message", "webhook": "Webhook"}
_NAMES = {
    "customer.subscribed": "Subscribed",
    "customer.unsubscribed": "Unsubscribed",
    "customer.cio_subscription_preferences_changed": "Subscription Preferences Changed",
    **{f"email.{metric}": name for metric, name in _EMAIL.items()},
    **{f"push.{metric}": name for metric, name in _PUSH.items()},
    **{f"{kind}.{metric}": f"{what} {name}" for kind, what in _CHANNELS.items() for metric, name in _OTHER.items()},
}
_IDS = (
    *("delivery_id", "action_id", "broadcast_id", "newsletter_id", "transactional_message_id", "trigger_id"),
    *("journey_id", "parent_action_id", "content_id", "failure_message", "cio_id"),
)


class CustomerioSourceSettings(TableSettings):
    signing_key: Secret = Field(description="The webhook's signing key, as Customer.io shows it")
    tolerance: Duration = Field(
        TOLERANCE, validate_default=True, description="The largest age of a signature; older posts are refused"
    )
    campaigns: dict[str, str] = Field(
        {}, description="Names of campaigns, broadcasts and newsletters by id, for the property campaign_name"
    )


class CustomerioSource(TableSource):
    type = "customerio"
    partner = "Customer.io"
    summary = "Customer.io: what became of mail, push, SMS and other messages"
    enter = "Data & Integrations, Integrations, Reporting Webhooks: the URL, JSON; its signing key is `signing_key`"
    signature = "HMAC-SHA256 over `v0:`, time and body, in `X-CIO-Signature` and `X-CIO-Timestamp`"
    names = _NAMES
    Settings = CustomerioSourceSettings

    def verify(self, post: Post, now: float) -> str:
        given, timestamp = post.headers.get("X-CIO-Signature", ""), post.headers.get("X-CIO-Timestamp", "")
        if not given or not timestamp:
            return NO_SIGNATURE
        signed = b"v0:" + timestamp.encode(errors="replace") + b":" + post.body
        expected = hmac_of(self.settings.signing_key, "sha256", signed)
        return check(expected, [given.lower()]) or stale(timestamp, now, self.settings.tolerance)

    def kind(self, item: Body) -> str:
        return f"{text(item.get('object_type'))}.{text(item.get('metric'))}"

    def event_id(self, item: Body) -> str:
        return text(item.get("event_id"))

    def time(self, item: Body) -> Any:
        return item.get("timestamp")

    def person(self, item: Body) -> Person:
        data, ids = dig(item, "data", kind=dict), dig(item, "data", "identifiers", kind=dict)
        email = first(ids.get("email"), data.get("email_address"))
        if not email and item.get("object_type") == "email":
            email = text(data.get("recipient"))
        phone = text(data.get("recipient")) if item.get("object_type") in ("sms", "whatsapp") else ""
        return Person(first(ids.get("id"), data.get("customer_id")), email, text(ids.get("cio_id")), phone)

    def properties(self, item: Body) -> dict[str, Any]:
        data = dig(item, "data", kind=dict)
        campaign = first(data.get("campaign_id"), data.get("broadcast_id"), data.get("newsletter_id"))
        subject = data.get("subject")
        mail = {"email_id": data.get("delivery_id"), "email_subject": subject} if _is_mail(item) else {}
        return {
            **mail,
            "campaign_id": campaign,
            "campaign_name": self.settings.campaigns.get(campaign),
            "link_id": data.get("link_id"),
            "link_url": data.get("href"),
            **chosen(data, *_IDS),
            **_campaign_object(item, self.settings.campaigns.get(campaign)),
        }


def _is_mail(item: Body) -> bool:
    return item.get("object_type") == "email"


def _campaign_object(item: Body, name: str | None) -> dict[str, Any]:
    """Push notifications carry their campaign as an object, by the mobile spec."""
    return {"campaign": {"name": name, "medium": "Push"}} if item.get("object_type") == "push" and name else {}
