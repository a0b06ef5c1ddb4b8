"""PostHog: events, people and groups, in batches to its capture endpoint.

track is an event, page a `$pageview`, screen a `$screen`; identify sets the person's properties (null unsets one) and
joins the anonymous history to the user, group describes a group, alias joins the previous id to the user. Events
without a user id make no person unless asked for. PostHog answers 200 before it looks at events, so they count as
unconfirmed; ids that name nobody, which it would drop or join wrongly, are not sent. kill -9 or a timeout repeats
nothing that counts: PostHog finds repeats by uuid (the messageId, or one made of it), name, time and person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip, itemized
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import commerce, context, dates, keys, person, shape

_JOINING = frozenset(("$identify", "$create_alias", "$merge_dangerously", "$groupidentify", "$set", "$unset"))
_RESERVED = frozenset(("distinct_id", "token", "$anon_distinct_id", "$process_person_profile", "$groups"))
_CONTEXT = {
    "$ip": "ip", "$os": "os.name", "$os_version": "os.version", "$device_type": "device.type",
    "$device_manufacturer": "device.manufacturer", "$device_model": "device.model", "$device_id": "device.id",
    "$app_name": "app.name", "$app_version": "app.version", "$app_build": "app.build",
    "$screen_width": "screen.width", "$screen_height": "screen.height", "$timezone": "timezone",
    "$current_url": "page.url", "$referrer": "page.referrer", "$raw_user_agent": "userAgent", "$lib": "library.name",
    "$lib_version": "library.version",
}  # fmt: skip
Item = dict[str, Any]


class PosthogSettings(PartnerSettings):
    regions: ClassVar = {"us": "https://us.i.posthog.com", "eu": "https://eu.i.posthog.com"}

    api_key: ApiKey = Field(
        examples=["${POSTHOG_API_KEY}"],
        description="The project API key, which begins with `phc_`; with base_url, of the PostHog that you host",
    )
    group_type: str = Field(
        "company", min_length=1, description="The type of groups, unless traits.groupType of the group call says"
    )
    anonymous_profiles: bool = Field(False, description="Events without a user id make a person, which costs more")
    set_once: list[str] = Field([], description="Traits that keep the first value they had")
    historical_migration: bool = Field(
        False, description="For events that are days old: they do not hold up live ones, and appear later"
    )


@destination("posthog")
class Posthog(HttpDestination):
    summary = "Events, people and groups for PostHog"
    integrations = ("PostHog", "Actions PostHog", "PostHog (Actions)")
    limits = RequestLimits(count=1_000, batch=100, request_bytes=10_000_000, event_bytes=900_000)
    idempotency = "uuid"
    maps = "items"
    Settings = PosthogSettings
    settings: PosthogSettings

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        sent, items, skips = itemized(events, self._items)
        yield from skips
        if sent:
            body: Item = {"api_key": self._key, "batch": items}
            if self.settings.historical_migration:
                body["historical_migration"] = True
            yield HttpRequest.of_json("POST", "/batch/", sent, body)

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        outcome = self.by_status(request, response)
        answer = response.json
        if outcome.kind is Kind.DELIVERED:
            limited = answer.get("quota_limited") if isinstance(answer, dict) else None
            outcome = Outcome(Kind.UNCONFIRMED, response.code)
            if isinstance(limited, list) and "events" in limited:
                outcome = Outcome(Kind.REFUSED, "QUOTA", "the project's quota of events is used up")
        return [outcome] * len(request.events)

    def sample(self, request: HttpRequest) -> str:
        return super().sample(request).replace(self._key, "[api_key]")

    def answer_sample(self, response: HttpResponse) -> str:
        return super().answer_sample(response).replace(self._key, "[api_key]")

    @property
    def _key(self) -> str:
        return self.settings.api_key.get_secret_value()

    def _items(self, event: Delivery) -> list[Item] | str:
        """What the event is at PostHog, or the reason why it is nothing there."""
        user, anonymous = person.real(person.user_id(event)), person.real(person.anonymous_id(event))
        if not user and not anonymous:
            return "no_user_id"
        made: tuple[str, Item] | str
        match event.type:
            case "identify":
                made = self._identify(event, user, anonymous)
            case "group":
                made = self._group(event)
            case "alias":
                made = _alias(event, user)
            case "page":
                made = ("$pageview", _page(event))
            case "screen":
                made = ("$screen", {**_own(event), "$screen_name": person.text(event.body.get("name"))})
            case _:
                made = _track(event)
        if isinstance(made, str):
            return made
        name, properties = made
        item: Item = {
            "event": name, "distinct_id": user or anonymous, "uuid": keys.as_uuid(event),
            "timestamp": dates.iso(dates.event_time(event)),
            "properties": {**self._known(event, name), **properties, **self._profile(user)},
        }  # fmt: skip
        return [shape.present(self.shaped(event, item))]

    def _known(self, event: Delivery, name: str) -> Item:
        """Where it happened; without an address PostHog must not place the person where this router is."""
        group = person.real(person.group_id(event))
        known = context.fields(event, _CONTEXT) | context.campaign(event) | {"$browser": context.browser(event)}
        if name not in ("$groupidentify", "$create_alias"):
            known |= self._set(person.traits(event))
            known["$groups"] = {self.settings.group_type: group}
        return known if "$ip" in known else {**known, "$geoip_disable": True}

    def _set(self, traits: Item) -> Item:
        kept = {name: value for name, value in traits.items() if value is not None}
        return {
            "$set": {name: value for name, value in kept.items() if name not in self.settings.set_once},
            "$set_once": {name: value for name, value in kept.items() if name in self.settings.set_once},
        }

    def _profile(self, user: str) -> Item:
        return {} if user or self.settings.anonymous_profiles else {"$process_person_profile": False}

    def _identify(self, event: Delivery, user: str, anonymous: str) -> tuple[str, Item] | str:
        if not user and not self.settings.anonymous_profiles:
            return "anonymous_identify"
        unset = [name for name, value in person.traits(event).items() if value is None]
        joined = anonymous if user and anonymous != user else ""
        return ("$identify" if user else "$set"), {"$anon_distinct_id": joined, "$unset": unset or None}

    def _group(self, event: Delivery) -> tuple[str, Item] | str:
        group, traits = person.real(person.group_id(event)), person.group_traits(event)
        if not group:
            return "no_group_id"
        kind = person.text(traits.get("groupType")) or self.settings.group_type
        described = {name: value for name, value in traits.items() if name != "groupType"}
        return "$groupidentify", {"$group_type": kind, "$group_key": group, "$group_set": described}


def _track(event: Delivery) -> tuple[str, Item] | str:
    if not event.event:
        return "no_event_name"
    return "reserved_event_name" if event.event in _JOINING else (event.event, _own(event))


def _page(event: Delivery) -> Item:
    own = _own(event)
    url = person.text(own.get("url")) or person.text(context.at(event, "page.url"))
    host, path = _host_and_path(url)
    return {
        **own, "name": person.text(event.body.get("name")), "$current_url": url, "$host": host,
        "$pathname": person.text(own.get("path")) or path,
        "$title": person.text(own.get("title")) or person.text(context.at(event, "page.title")),
        "$referrer": person.text(own.get("referrer")) or person.text(context.at(event, "page.referrer")),
    }  # fmt: skip


def _host_and_path(url: str) -> tuple[str, str]:
    """Empty where the text is no URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.netloc, parts.path


def _alias(event: Delivery, user: str) -> tuple[str, Item] | str:
    joined = person.real(person.text(event.body.get("previousId")))
    if not user or not joined or joined == user:
        return "no_previous_id"
    return "$create_alias", {"alias": joined}


def _own(event: Delivery) -> Item:
    """The event's properties, without those that would say whom it is about."""
    given = commerce.with_amounts(person.properties(event))
    return {name: value for name, value in given.items() if name not in _RESERVED}
