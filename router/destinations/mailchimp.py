"""Mailchimp: members of an audience, their tags and events, one request at a time.

identify adds or updates the member: somebody new gets `status_if_new`, somebody who has unsubscribed stays so unless
`integrations.MailChimp.subscriptionStatus` says otherwise. Traits are merge fields, `traits.tags` tags. track is an
event, page and screen with `pages`; `User Deleted` archives the member. group and alias have no counterpart, events
without an e-mail address are filtered. An event of somebody who is no member is tried again once, then a dead letter,
or adds them (`create_members`). kill -9 or a timeout repeats members and tags, which changes nothing, and events:
Mailchimp counts them twice. The region stands in the key; 429, and 403 in plain text, are waited for.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import md5
from typing import Any, Literal
from urllib.parse import quote

import orjson
from pydantic import Field, SecretStr, field_validator

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip
from router.destinations.registry import destination
from router.destinations.request import basic_auth
from router.destinations.response import HttpResponse
from router.destinations.shared import context, dates, person, shape

EVENT_NAME, TAG = 30, 10
_KEY = re.compile(r".+-([a-z0-9]{2,8})\Z")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_TITLE = re.compile(r"[A-Za-z ]{1,60}\Z")
_BIRTHDAY = re.compile(r"(?:\d{4}-)?(\d\d)[-/](\d\d)")
_MEMBER = frozenset(
    ("email", "name", "firstName", "first_name", "lastName", "last_name", "phone", "birthday", "address", "tags")
) | {"language"}
_STATUSES = frozenset(("subscribed", "unsubscribed", "cleaned", "pending", "transactional"))
Item = dict[str, Any]


class MailchimpSettings(PartnerSettings):
    api_key: ApiKey = Field(
        examples=["${MAILCHIMP_API_KEY}"], description="An API key, with the data centre at its end, such as -us21"
    )
    list_id: str = Field(
        pattern=r"^\w+$", examples=["a1b2c3d4e5"], description="The audience, unless integrations.MailChimp.listId says"
    )
    status_if_new: Literal["subscribed", "pending", "transactional"] = Field(
        "subscribed",
        description="Of new members; pending sends them a mail to confirm, transactional gets no campaigns",
    )
    merge_fields: dict[str, str] = Field(
        {}, description="Merge tags by names of traits; others get the first ten letters and digits of their name"
    )
    tags: list[str] = Field([], description="Tags of every member that is added or updated")
    pages: bool = Field(False, description="Send page and screen calls, as events Viewed_…_Page and Viewed_…_Screen")
    create_members: bool = Field(False, description="Add whom an event is about, if they are no member")
    syncing: bool = Field(False, description="Nothing that is sent starts an automation: for replays of old events")
    delete: Literal["archive", "permanent"] = Field(
        "archive", description="What User Deleted does; an address deleted permanently cannot be added again"
    )

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, value: SecretStr) -> SecretStr:
        if not _KEY.match(value.get_secret_value()):
            raise ValueError("expected a key that ends in its data centre, such as -us21, got one without")
        return value

    @property
    def address(self) -> str:
        """By the data centre that the key names."""
        found = _KEY.match(self.api_key.get_secret_value())
        return (self.base_url or f"https://{found[1] if found else 'us1'}.api.mailchimp.com").rstrip("/")


@dataclass(frozen=True, slots=True, eq=False)
class _Step(HttpRequest):
    """`then` follows where it went well. `last`: a member who is not known is not added any more."""

    then: HttpRequest | None = None
    last: bool = False


@destination("mailchimp")
class Mailchimp(HttpDestination):
    summary = "Members of an audience, their tags and events, for Mailchimp"
    integrations = ("MailChimp", "Mailchimp")
    types = ("identify", "track", "page", "screen")
    limits = RequestLimits(rate=20.0)  # it takes ten connections at a time
    order = "profile"
    maps = "items"
    default_wait = 5.0
    settings: MailchimpSettings
    Settings = MailchimpSettings

    def batch_key(self, event: Delivery) -> Hashable:
        return event.idempotency_key

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        for event in events:
            name = self._event_name(event)
            if not person.email(event):
                yield Skip(event, "no_email")
            elif event.type in ("page", "screen") and not self.settings.pages:
                yield Skip(event, "pages_off")
            elif event.type == "identify":
                yield self._put(event, self.shaped(event, self._member(event)))
                if tags := self._tags(event):
                    content = {"tags": tags, "is_syncing": self.settings.syncing}
                    yield HttpRequest.of_json("POST", f"{self._path(event)}/tags", [event], content)
            elif event.event == "User Deleted":
                permanent = self.settings.delete == "permanent"
                path = f"{self._path(event)}/actions/delete-permanent" if permanent else self._path(event)
                yield HttpRequest("POST" if permanent else "DELETE", path, [event])
            elif len(name) < 2:
                yield Skip(event, "event_name_too_short")
            else:
                yield self._event(event, name)

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        event, answer = request.events[0], response.json
        step = request if isinstance(request, _Step) else None
        if step is not None and step.then is not None and 200 <= response.status < 300:
            return [step.then]
        if response.status == 403 and answer is None:  # a firewall that is asked too often, not the API
            return [Outcome(Kind.RETRY, "403", "too many requests", self.default_wait)]
        if response.status == 404:
            return [self._not_found(event, request)]
        if response.status == 400:
            title = answer.get("title") if isinstance(answer, dict) else None
            detail = title if isinstance(title, str) and _TITLE.match(title) else response.detail
            return [Outcome(Kind.REJECTED, "400", detail)]
        return super().read(request, response)

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        return {"Authorization": basic_auth("event-router", self.settings.api_key.get_secret_value())}

    def probe(self) -> HttpRequest:
        return HttpRequest("GET", f"/3.0/lists/{self.settings.list_id}", ())

    def _not_found(self, event: Delivery, request: HttpRequest) -> Outcome | HttpRequest:
        """The member, or the audience: that is a mistake in the settings, unless the event named it."""
        if event.event == "User Deleted":
            return Outcome(Kind.DELIVERED, "404")
        if request.method == "PUT":
            own = self._list(event) == self.settings.list_id
            return Outcome(Kind.REFUSED if own else Kind.REJECTED, "404", "there is no such audience")
        if isinstance(request, _Step) and self.settings.create_members and not request.last:
            return replace(self._put(event, self._member(event)), then=replace(request, last=True))
        return Outcome(Kind.RETRY if event.attempt == 1 else Kind.REJECTED, "404", "the person is no member")

    def _options(self, event: Delivery) -> Item:
        return self.options(event)

    def _list(self, event: Delivery) -> str:
        return person.text(self._options(event).get("listId")) or self.settings.list_id

    def _path(self, event: Delivery) -> str:
        email = person.email(event).lower().encode()
        return f"/3.0/lists/{quote(self._list(event), safe='')}/members/{md5(email, usedforsecurity=False).hexdigest()}"

    def _member(self, event: Delivery) -> Item:
        traits, status = person.traits(event), self._options(event).get("subscriptionStatus")
        language = person.text(traits.get("language")) or person.text(context.at(event, "locale"))
        return {
            "email_address": person.email(event), "status_if_new": self.settings.status_if_new,
            "status": status if isinstance(status, str) and status in _STATUSES else None,
            "merge_fields": self._merge_fields(event, traits), "language": language[:2].lower(),
            "location": context.fields(event, {"latitude": "location.latitude", "longitude": "location.longitude"}),
        }  # fmt: skip

    def _put(self, event: Delivery, member: Item) -> _Step:
        return _step("PUT", f"{self._path(event)}?skip_merge_validation=true", event, shape.present(member))

    def _merge_fields(self, event: Delivery, traits: Mapping[str, Any]) -> Item:
        made: Item = {
            "FNAME": person.first_name(event), "LNAME": person.last_name(event), "PHONE": person.phone(event),
            "BIRTHDAY": _birthday(traits.get("birthday")), "ADDRESS": _address(person.address(event)),
        }  # fmt: skip
        for name, value in traits.items():
            tag = self.settings.merge_fields.get(name) or re.sub(r"[^A-Za-z0-9]", "", name)[:TAG].upper()
            if name in _MEMBER or not tag or value is None:
                continue
            if made.get(tag):
                self.count_problems(["merge_fields: two traits with one tag"])
            else:
                made[tag] = str(value).lower() if isinstance(value, bool) else shape.scalar(value)
        return made

    def _tags(self, event: Delivery) -> list[Item]:
        """Of the settings, and of the trait: a list of names, or an object that says true or false of each."""
        given = person.traits(event).get("tags")
        wanted: dict[str, bool] = dict.fromkeys(self.settings.tags, True)
        if isinstance(given, list):
            wanted |= {person.text(name): True for name in given}
        elif isinstance(given, dict):
            wanted |= {name: value is True for name, value in given.items()}
        return [{"name": name, "status": "active" if on else "inactive"} for name, on in wanted.items() if name]

    def _event_name(self, event: Delivery) -> str:
        """Letters, digits, `_` and `-`, at most thirty."""
        called = event.event
        if event.type in ("page", "screen"):
            called = context.page_event(event, person.text(event.body.get("name")))
        return _NOT_IN_NAMES.sub("_", called.strip())[:EVENT_NAME]

    def _event(self, event: Delivery, name: str) -> _Step:
        """Properties are text to Mailchimp."""
        properties = {key: value for key, value in person.properties(event).items() if value is not None}
        item = {
            "name": name, "occurred_at": dates.iso(dates.event_time(event)), "is_syncing": self.settings.syncing,
            "properties": {key: _text(value) for key, value in properties.items()},
        }  # fmt: skip
        return _step("POST", f"{self._path(event)}/events", event, shape.present(self.shaped(event, item)))


def _step(method: str, path: str, event: Delivery, content: Item) -> _Step:
    body = orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
    return _Step(method, path, [event], body, {"Content-Type": "application/json"})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _birthday(value: Any) -> str:
    """`MM/DD` of an ISO date, or of that itself."""
    found = _BIRTHDAY.match(value) if isinstance(value, str) else None
    return f"{found[1]}/{found[2]}" if found else ""


def _address(home: person.Address) -> Item:
    """All but the country are compulsory: an address that lacks one is left out."""
    if not all((home.street, home.city, home.region, home.postal_code)):
        return {}
    return {
        "addr1": home.street, "city": home.city, "state": home.region, "zip": home.postal_code,
        "country": home.country,
    }  # fmt: skip
