"""Braze: Currents as custom HTTP, a batch of events a post, known by a token.

Braze gives up after five days of errors. It does not say when a push message arrived on a device: the nearest is that
it was sent, `users.messages.pushnotification.Send`, which is `Push Notification Sent` here unless `events` says more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from router.config.types import Secret
from router.events.event import Body
from router.partner_sources.base import Post, json_of
from router.partner_sources.reading import chosen, dig, filled, first, text
from router.partner_sources.signatures import bearer
from router.partner_sources.table import Person, TableSettings, TableSource

_BY_CHANNEL = {
    "email": {
        "Send": "Email Sent",
        "Delivery": "Email Delivered",
        "Open": "Email Opened",
        "Click": "Email Link Clicked",
        "Bounce": "Email Bounced",
        "SoftBounce": "Email Soft Bounced",
        "MarkAsSpam": "Email Marked as Spam",
        "Unsubscribe": "Unsubscribed",
        "Abort": "Email Aborted",
    },
    "pushnotification": {
        "Send": "Push Notification Sent",
        "Open": "Push Notification Opened",
        "Bounce": "Push Notification Bounced",
        "IosForeground": "iOS Foreground Push Opened",
        "Abort": "Push Notification Aborted",
    },
    "inappmessage": {
        "Impression": "In-App Message Viewed",
        "Click": "In-App Message Clicked",
        "Abort": "In-App Message Aborted",
    },
    "contentcard": {
        "Send": "Content Card Sent",
        "Impression": "Content Card Viewed",
        "Click": "Content Card Clicked",
        "Dismiss": "Content Card Dismissed",
        "Abort": "Content Card Aborted",
    },
    "sms": {
        "Send": "SMS Sent",
        "CarrierSend": "SMS Sent to Carrier",
        "Delivery": "SMS Delivered",
        "DeliveryFailure": "SMS Delivery Failed",
        "Rejection": "SMS Rejected",
        "InboundReceive": "SMS Inbound Received",
        "ShortLinkClick": "SMS Link Clicked",
        "Abort": "SMS Aborted",
    },
    "whatsapp": {
        "Send": "WhatsApp Message Sent",
        "Delivery": "WhatsApp Message Delivered",
        "Read": "WhatsApp Message Read",
        "Failure": "WhatsApp Message Failed",
        "InboundReceive": "WhatsApp Inbound Received",
        "Click": "WhatsApp Link Clicked",
        "Abort": "WhatsApp Message Aborted",
    },
    "webhook": {"Send": "Webhook Sent", "Abort": "Webhook Aborted"},
}
_NAMES = {
    **{f"users.messages.{one}.{what}": name for one, names in _BY_CHANNEL.items() for what, name in names.items()},
    "users.campaigns.Conversion": "Campaign Converted",
    "users.campaigns.EnrollInControl": "Control Group Entered",
    "users.canvas.Entry": "Canvas Entered",
    "users.canvas.Conversion": "Canvas Converted",
    "users.canvas.exit.MatchedAudience": "Canvas Exited",
    "users.canvas.exit.PerformedEvent": "Canvas Exited",
    "users.behaviors.Uninstall": "Application Uninstalled",
    "users.behaviors.subscription.GlobalStateChange": "Subscription State Changed",
    "users.behaviors.subscriptiongroup.StateChange": "Subscription Group State Changed",
}
_IDS = (
    *("canvas_id", "canvas_name", "canvas_step_id", "canvas_variation_id", "message_variation_id"),
    *("message_variation_name", "send_id", "dispatch_id", "app_id", "platform", "link_id", "link_alias", "button_id"),
    *("card_id", "subscription_group_id", "subscription_status", "state_change_source", "machine_open"),
    *("bounce_reason", "in_control_group", "conversion_behavior", "abort_type"),
)


class BrazeSourceSettings(TableSettings):
    token: Secret = Field(description="The bearer token of the Currents connector, a text of your choice")


class BrazeSource(TableSource):
    type = "braze"
    partner = "Braze"
    summary = "Braze Currents: what became of mail, push and other messages"
    enter = "Partner Integrations, Data Export, Custom Currents Export: the URL, and as bearer token `token`"
    signature = "`token` in `Authorization`"
    names = _NAMES
    Settings = BrazeSourceSettings

    def verify(self, post: Post, now: float) -> str:
        return bearer(post, self.settings.token)

    def items(self, post: Post) -> Iterable[Any]:
        value = json_of(post.body)
        for part in value if type(value) is list else [value]:
            events = dig(part, "events")
            yield from events if type(events) is list else [part]

    def kind(self, item: Body) -> str:
        return text(item.get("event_type"))

    def event_id(self, item: Body) -> str:
        return text(item.get("id"))

    def time(self, item: Body) -> Any:
        return item.get("time")

    def person(self, item: Body) -> Person:
        user, said = dig(item, "user", kind=dict), dig(item, "properties", kind=dict)
        email = first(said.get("email_address"))
        return Person(
            text(user.get("external_user_id")), email, text(user.get("user_id")), text(said.get("to_phone_number"))
        )

    def properties(self, item: Body) -> dict[str, Any]:
        said = dig(item, "properties", kind=dict)
        name = first(said.get("campaign_name"), said.get("canvas_name"))
        push = ".pushnotification." in self.kind(item)
        return {
            "campaign_id": first(said.get("campaign_id"), said.get("canvas_id")),
            "campaign_name": name,
            "campaign": {"name": name, "medium": "Push"} if push and name else None,
            "email_id": said.get("dispatch_id") if ".email." in self.kind(item) else None,
            "link_url": first(said.get("link_url"), said.get("url")),
            **chosen(said, *_IDS),
        }

    def context(self, item: Body) -> dict[str, Any]:
        user, said = dig(item, "user", kind=dict), dig(item, "properties", kind=dict)
        version = text(said.get("os_version"))
        return {
            "device": filled({"id": text(user.get("device_id")), "model": text(said.get("device_model"))}),
            "os": {"version": version} if version else {},
            "timezone": text(user.get("timezone")),
            "userAgent": text(said.get("user_agent")),
        }
