"""Mailchimp: webhooks of an audience, one form a post, known by a token in the URL.

Mailchimp asks by GET whether the URL is there. It says who subscribed and who left; what became of mails it does not.
It gives no event ids: all that it says makes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field

from router.config.types import Secret
from router.events.event import Body
from router.mapping.path import nested
from router.partner_sources.base import Post, Unreadable
from router.partner_sources.reading import chosen, dig, filled, first, form_of, text
from router.partner_sources.signatures import in_query
from router.partner_sources.table import Person, TableSettings, TableSource

_NAMES = {
    "subscribe": "Subscribed",
    "unsubscribe": "Unsubscribed",
    "cleaned.hard": "Email Bounced",
    "cleaned.abuse": "Email Marked as Spam",
    "campaign": "Campaign Sent",
}
_IDENTIFY = ("subscribe", "profile", "upemail")
_TRAITS = {"FNAME": "firstName", "LNAME": "lastName", "PHONE": "phone", "BIRTHDAY": "birthday", "ADDRESS": "address"}


class MailchimpSourceSettings(TableSettings):
    token: Secret = Field(description="A secret that stands in the URL as the parameter `token`")
    user_id: str | None = Field(None, description="The merge field that holds the person's userId, such as USERID")


class MailchimpSource(TableSource):
    type = "mailchimp"
    partner = "Mailchimp"
    summary = "Mailchimp: who subscribed to an audience, left it, or changed"
    enter = "Audience, Settings, Webhooks: the URL with `?token=`, and the updates you want"
    signature = "`token` in the URL"
    names = _NAMES
    Settings = MailchimpSourceSettings

    def verify(self, post: Post, now: float) -> str:
        return in_query(post, self.settings.token)

    def items(self, post: Post) -> Iterable[Any]:
        form = form_of(post.body)
        if not form:
            raise Unreadable("empty")
        return [nested(form, lambda name: name.replace("]", "").split("["))]  # data[merges][FNAME]

    def kind(self, item: Body) -> str:
        kind = text(item.get("type"))
        return f"cleaned.{text(dig(item, 'data', 'reason'))}" if kind == "cleaned" else kind

    def event_id(self, item: Body) -> str:
        return ""

    def time(self, item: Body) -> Any:
        """UTC, though no zone is written."""
        return item.get("fired_at")

    def person(self, item: Body) -> Person:
        data = dig(item, "data", kind=dict)
        if item.get("type") == "campaign":  # about nobody: the audience stands in
            audience = text(data.get("list_id"))
            return Person(anonymous_id=f"mailchimp:list:{audience}" if audience else "")
        user = text(dig(data, "merges", self.settings.user_id or ""))
        return Person(user, first(data.get("email"), data.get("new_email"), dig(data, "merges", "EMAIL")))

    def properties(self, item: Body) -> dict[str, Any]:
        data = dig(item, "data", kind=dict)
        is_campaign = item.get("type") == "campaign"
        return {
            "list_id": data.get("list_id"),
            "campaign_id": data.get("id") if is_campaign else data.get("campaign_id"),
            "campaign_name": data.get("subject"),
            "email_subject": data.get("subject"),
            "mailchimp_id": None if is_campaign else data.get("id"),
            **chosen(data, "web_id", "action", "reason", "status", "email_type"),
        }

    def context(self, item: Body) -> dict[str, Any]:
        data = dig(item, "data", kind=dict)
        return {"ip": first(data.get("ip_opt"), data.get("ip_signup"))}

    def events(self, kind: str, item: Body) -> Iterator[Body]:
        yield from super().events(kind, item)
        if kind in _IDENTIFY:
            yield {"type": "identify", "traits": self._traits(item)}

    def _traits(self, item: Body) -> dict[str, Any]:
        data = dig(item, "data", kind=dict)
        merged = {
            _TRAITS.get(name, name.lower()): value
            for name, value in dig(data, "merges", kind=dict).items()
            if type(value) is str and name not in ("EMAIL", self.settings.user_id)
        }
        return filled(merged | {"email": self.person(item).email, "previous_email": text(data.get("old_email"))})
