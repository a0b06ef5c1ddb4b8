"""Iterable: system webhooks, one event a post, known by a token.

Iterable names no id of an event: the message's id, the event's name, its time and the link make one. It does not say
when a mail was delivered.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from router.config.types import Secret
from router.events.event import Body
from router.partner_sources.base import Post
from router.partner_sources.reading import chosen, dig, digest, first, text
from router.partner_sources.signatures import NO_SIGNATURE, bearer, in_query
from router.partner_sources.table import Person, TableSettings, TableSource

_CHANNELS = {
    "email": "Email",
    "push": "Push Notification",
    "sms": "SMS",
    "inApp": "In-App Message",
    "webPush": "Web Push",
    "whatsApp": "WhatsApp Message",
    "embedded": "Embedded Message",
}
_ACTIONS = {
    "Send": "Sent",
    "SendSkip": "Skipped",
    "Bounce": "Bounced",
    "Open": "Opened",
    "Click": "Clicked",
    "Received": "Received",
    "Delete": "Deleted",
    "Recall": "Recalled",
    "Impression": "Viewed",
    "Seen": "Seen",
}
_NAMES = {
    **{f"{key}{action}": f"{what} {name}" for key, what in _CHANNELS.items() for action, name in _ACTIONS.items()},
    "emailClick": "Email Link Clicked",
    "emailComplaint": "Email Marked as Spam",
    "emailSubscribe": "Subscribed",
    "emailUnSubscribe": "Unsubscribed",
    "hostedUnsubscribeClick": "Unsubscribe Link Clicked",
    "smsClick": "SMS Link Clicked",
    "smsReceived": "SMS Inbound Received",
    "pushUninstall": "Application Uninstalled",
}
_IDS = (
    *("templateId", "templateName", "messageId", "workflowId", "workflowName", "channelId", "messageTypeId"),
    *("experimentId", "linkId", "canonicalUrlId", "recipientState", "bounceMessage", "unsubSource", "deeplink"),
    *("reason", "emailListIds", "channelIds", "messageTypeIds", "labels"),
)


class IterableSourceSettings(TableSettings):
    token: Secret = Field(description="What Iterable sends in `token_header`, or as the parameter `token` of the URL")
    token_header: str = Field("Authorization", min_length=1, description="The header of the token")


class IterableSource(TableSource):
    type = "iterable"
    partner = "Iterable"
    summary = "Iterable: what became of mail, push, SMS and other messages"
    enter = "Integrations, System Webhooks: the URL (https), and as Authorization, or a header of its own, `token`"
    signature = "`token` in `Authorization`, a header of its own, or the URL's `?token=`"
    names = _NAMES
    Settings = IterableSourceSettings

    def verify(self, post: Post, now: float) -> str:
        problem = bearer(post, self.settings.token, self.settings.token_header)
        return in_query(post, self.settings.token) if problem == NO_SIGNATURE else problem

    def kind(self, item: Body) -> str:
        return text(item.get("eventName"))

    def event_id(self, item: Body) -> str:
        said = dig(item, "dataFields", kind=dict)
        message, at = text(said.get("messageId")), text(said.get("createdAt"))
        if not at:
            return ""
        whose = [message] if message else [text(said.get("campaignId")), *self.person(item)]
        link = first(said.get("linkId"), said.get("url"), said.get("linkUrl"))
        return digest([self.kind(item), at, link, *whose])

    def time(self, item: Body) -> Any:
        return dig(item, "dataFields", "createdAt")

    def person(self, item: Body) -> Person:
        said = dig(item, "dataFields", kind=dict)
        phone = first(said.get("phoneNumber"), said.get("fromPhoneNumber"))
        user = first(item.get("userId"), said.get("userId"))
        return Person(user, first(item.get("email"), said.get("email")), "", phone)

    def properties(self, item: Body) -> dict[str, Any]:
        said = dig(item, "dataFields", kind=dict)
        name = text(said.get("campaignName"))
        kind = self.kind(item)
        return {
            "email_id": first(said.get("emailId"), said.get("messageId")) if kind.startswith("email") else None,
            "email_subject": said.get("emailSubject"),
            "campaign_id": said.get("campaignId"),
            "campaign_name": name,
            "campaign": {"name": name, "medium": "Push"} if kind.startswith("push") and name else None,
            "link_id": said.get("linkId"),
            "link_url": first(said.get("url"), said.get("linkUrl")),
            **chosen(said, *_IDS),
        }

    def context(self, item: Body) -> dict[str, Any]:
        said = dig(item, "dataFields", kind=dict)
        place = {name: text(said.get(name)) for name in ("city", "region", "country") if text(said.get(name))}
        return {"ip": text(said.get("ip")), "userAgent": text(said.get("userAgent")), "location": place}
