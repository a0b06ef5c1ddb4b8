"""Mandrill, which is Mailchimp Transactional: a list of events a post, in a form field.

Mandrill asks by HEAD whether the URL is there, or posts no events, signed with the key `test-webhook`. After a post
that fails new events wait until it passes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field, SecretStr

from router.config.types import Secret
from router.events.event import Body
from router.partner_sources.base import Post, Unreadable, json_of
from router.partner_sources.reading import chosen, dig, digest, form_of, text
from router.partner_sources.signatures import NO_SIGNATURE, check, hmac_of
from router.partner_sources.table import Person, TableSettings, TableSource

_FIELD = "mandrill_events"
_TEST_KEY = SecretStr("test-webhook")
_NAMES = {
    "send": "Email Sent",
    "delivered": "Email Delivered",
    "open": "Email Opened",
    "click": "Email Link Clicked",
    "hard_bounce": "Email Bounced",
    "soft_bounce": "Email Soft Bounced",
    "deferral": "Email Deferred",
    "reject": "Email Dropped",
    "spam": "Email Marked as Spam",
    "unsub": "Unsubscribed",
}


class MandrillSourceSettings(TableSettings):
    webhook_key: Secret = Field(description="The key of the webhook, as Mandrill shows it")
    url: str = Field(pattern=r"^https?://", description="The URL exactly as entered at Mandrill, which is signed")
    user_id: str = Field("user_id", min_length=1, description="The key in a mail's metadata that holds the userId")


class MandrillSource(TableSource):
    type = "mandrill"
    partner = "Mandrill"
    summary = "Mandrill (Mailchimp Transactional): what became of each mail"
    enter = "Settings, Webhooks: the URL, which is `url` too, and the events you want; its key is `webhook_key`"
    signature = "HMAC-SHA1 over URL and form fields, in `X-Mandrill-Signature`"
    names = _NAMES
    Settings = MandrillSourceSettings

    def verify(self, post: Post, now: float) -> str:
        given = post.headers.get("X-Mandrill-Signature", "")
        if not given:
            return NO_SIGNATURE
        form = form_of(post.body)
        signed = (self.settings.url + "".join(name + form[name] for name in sorted(form))).encode()
        problem = check(hmac_of(self.settings.webhook_key, "sha1", signed, "base64"), [given])
        if problem and form.get(_FIELD) == "[]":
            return check(hmac_of(_TEST_KEY, "sha1", signed, "base64"), [given])
        return problem

    def items(self, post: Post) -> Iterable[Any]:
        written = form_of(post.body).get(_FIELD)
        if written is None:
            raise Unreadable("no_items")
        value = json_of(written.encode())
        return value if type(value) is list else [value]

    def kind(self, item: Body) -> str:
        return text(item.get("event")) or text(item.get("type"))

    def event_id(self, item: Body) -> str:
        """`_id` is the message's, and the same for each time it is opened."""
        parts = [text(item.get(name)) for name in ("_id", "event", "ts", "url")]
        return digest(parts) if parts[0] and parts[2] else ""

    def time(self, item: Body) -> Any:
        return item.get("ts")

    def person(self, item: Body) -> Person:
        message = dig(item, "msg", kind=dict)
        return Person(text(dig(message, "metadata", self.settings.user_id)), text(message.get("email")))

    def properties(self, item: Body) -> dict[str, Any]:
        message = dig(item, "msg", kind=dict)
        return {
            "email_id": item.get("_id"),
            "email_subject": message.get("subject"),
            "campaign_id": dig(message, "metadata", "campaign_id"),
            "campaign_name": dig(message, "metadata", "campaign_name"),
            "link_url": item.get("url"),
            **chosen(message, "tags", "template", "state", "diag", "bounce_description"),
        }

    def context(self, item: Body) -> dict[str, Any]:
        return {"ip": text(item.get("ip")), "userAgent": text(item.get("user_agent"))}
