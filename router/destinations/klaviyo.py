"""Klaviyo: profiles, events and list members, one at a time or by bulk jobs.

identify is a profile; track an event, `Order Completed` with an `Ordered Product` for each product; page and screen are
events if `pages` says so; group puts the person on the list `groupId`, and with `traits.subscribe` subscribes them in
the channels of `traits.consent`. alias has no counterpart. One profile is confirmed; what goes by a job, and every
event, is taken to be looked at later: unconfirmed. 400 that points at items of a job: those are dead letters, the
others go again. kill -9 or a timeout repeats nothing that counts: Klaviyo knows an event by its `unique_id`, made of
its messageId, and all else is an update. A phone that is not in E.164 is a property. Events before 2000 or more than a
year after they were received are filtered (`too_old`, `too_far_ahead`); those with more than 400 properties are kept.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip, fitting
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import commerce, dates, keys, person, shape

METRIC_LENGTH, ID_LENGTH, PROPERTIES, SUBSCRIPTIONS = 127, 255, 400, 100
_E164 = re.compile(r"\+[1-9]\d{6,14}\Z")
_POINTER = re.compile(r"/data/attributes/(?:events-bulk-create|profiles)/data/(\d+)(?:/|\Z)")
_PROFILE = frozenset(
    ("email", "firstName", "first_name", "firstname", "lastName", "last_name", "lastname", "name", "phone", "title")
) | {"organization", "company", "avatar", "image", "address"}
_NAMES = {
    "Product Viewed": "Viewed Product", "Product Clicked": "Viewed Product", "Product Added": "Added to Cart",
    "Checkout Started": "Started Checkout",
}  # fmt: skip
Resource = dict[str, Any]


class KlaviyoSettings(PartnerSettings):
    regions: ClassVar = {"us": "https://a.klaviyo.com"}

    api_key: ApiKey = Field(
        examples=["${KLAVIYO_API_KEY}"],
        description="A private key that may write events, profiles, lists and subscriptions",
    )
    revision: str = Field(
        "2026-10-15", pattern=r"^\d{4}-\d{2}-\d{2}$", description="The revision of the API; each lives for two years"
    )
    pages: bool = Field(
        False, description="Send page and screen calls, as events `Viewed … Page` and `Viewed … Screen`"
    )
    klaviyo_names: bool = Field(
        False, description="Name viewed and added products and started checkouts as Klaviyo's own flows do"
    )
    consent: list[str] = Field(
        ["email"], description="Channels of a subscription whose group call has no `traits.consent`: email, sms"
    )


@destination("klaviyo")
class Klaviyo(HttpDestination):
    summary = "Profiles, events and lists for Klaviyo"
    integrations = ("Klaviyo", "Klaviyo (Actions)")
    types = ("identify", "track", "page", "screen", "group")
    limits = RequestLimits(count=1_000, batch=100, request_bytes=5_000_000, event_bytes=100_000, rate=350.0)
    idempotency = "message_id"
    Settings = KlaviyoSettings
    settings: KlaviyoSettings

    def batch_key(self, event: Delivery) -> Hashable:
        if event.type == "group":
            return ("group", person.group_id(event), _subscribes(event))
        return "profile" if event.type == "identify" else "event"

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        fit, skips = fitting(events, self._unfit, keep=("too_many_properties",))
        yield from skips
        yield from self._sent(fit) if fit else ()

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        if response.status == 202:
            return [Outcome(Kind.UNCONFIRMED, "202")] * len(request.events)
        bad = _pointed_at(response) if response.status == 400 and len(request.events) > 1 else {}
        if not bad or max(bad) >= len(request.events):
            return super().read(request, response)
        failed = {place: Outcome(Kind.REJECTED, "400", detail) for place, detail in bad.items()}
        others = [event for place, event in enumerate(request.events) if place not in bad]
        again: Sequence[HttpRequest] = list(self._sent(others)) if others else []
        following = {id(event): one for one in again for event in one.events}
        return [failed.get(place) or following[id(event)] for place, event in enumerate(request.events)]

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        key = self.settings.api_key.get_secret_value()
        return {"Authorization": f"Klaviyo-API-Key {key}", "revision": self.settings.revision}

    def probe(self) -> HttpRequest:
        return HttpRequest("GET", "/api/accounts", ())

    def read_probe(self, response: HttpResponse) -> Outcome:
        """403: the key is good, and may not read the account, which nothing here needs."""
        return Outcome(Kind.DELIVERED, "403") if response.status == 403 else super().read_probe(response)

    def _unfit(self, event: Delivery) -> str | None:
        """Why the event is not sent."""
        at, received = dates.event_time(event), dates.parsed(event.body.get("receivedAt"))
        if event.type in ("page", "screen") and not self.settings.pages:
            return "pages_off"
        if event.type == "group":
            return _unfit_member(event, self._consent(event))
        if not _identifiers(event):
            return "no_identifier"
        if event.type == "identify":
            return None
        if at.year < 2000:
            return "too_old"
        if received is not None and at > received + timedelta(days=365):
            return "too_far_ahead"
        return "too_many_properties" if len(person.properties(event)) > PROPERTIES else None

    def _sent(self, events: Sequence[Delivery]) -> Iterable[HttpRequest]:
        if events[0].type == "group":
            return self._members(events)
        if events[0].type == "identify":
            return [_profiles(events)]
        return [self._events(events)]

    def _events(self, events: Sequence[Delivery]) -> HttpRequest:
        """A job has one item for each event of ours, so that an error's place is the event's."""
        made = [self._metrics(event) for event in events]
        count = sum(map(len, made))
        if count == 1:
            content = {**made[0][0], "profile": {"data": profile(events[0])}}
            return _post("/api/events", events, {"type": "event", "attributes": content})
        items = [
            {
                "type": "event-bulk-create",
                "attributes": {
                    "profile": {"data": profile(event)},
                    "events": {"data": [{"type": "event", "attributes": one} for one in metrics]},
                },
            }
            for event, metrics in zip(events, made, strict=True)
        ]
        content = {"events-bulk-create": {"data": items}}
        job = {"type": "event-bulk-create-job", "attributes": content}
        return _post("/api/event-bulk-create-jobs", events, job, weight=count)

    def _metrics(self, event: Delivery) -> list[Resource]:
        properties = _plain(person.properties(event))
        made = [self._metric(event, self._name(event), properties, commerce.revenue(event), "")]
        if event.type == "track" and event.event == "Order Completed":
            order = commerce.order_id(event)
            for place, one in enumerate(commerce.products(event)):
                own = _plain({**one.more, **_product(one), "order_id": order})
                value = None if one.price is None else round(one.price * one.quantity, 6)
                made.append(self._metric(event, "Ordered Product", shape.present(own), value, f"-{place}"))
        return made

    def _metric(self, event: Delivery, name: str, properties: Resource, value: float | None, suffix: str) -> Resource:
        made: Resource = {
            "metric": {"data": {"type": "metric", "attributes": {"name": name[:METRIC_LENGTH]}}},
            "properties": properties, "time": dates.iso(dates.event_time(event)),
            "unique_id": f"{person.message_id(event) or keys.as_hex(event)}{suffix}",
        }  # fmt: skip
        if value is not None:
            currency = commerce.currency(event)
            made |= {"value": value, **({"value_currency": currency} if currency else {})}
        return made

    def _name(self, event: Delivery) -> str:
        if event.type in ("page", "screen"):
            words = ("Viewed", person.text(event.body.get("name")), event.type.capitalize())
            return " ".join(one for one in words if one)
        return (_NAMES.get(event.event) if self.settings.klaviyo_names else None) or event.event or "unnamed"

    def _members(self, events: Sequence[Delivery]) -> Iterator[HttpRequest]:
        target = {"type": "list", "id": person.group_id(events[0])}
        if not _subscribes(events[0]):
            yield _job(events, {"lists": {"data": [target]}})
            return
        for start in range(0, len(events), SUBSCRIPTIONS):
            some = events[start : start + SUBSCRIPTIONS]
            people = [{"type": "profile", "attributes": _subscription(one, self._consent(one))} for one in some]
            job = {
                "type": "profile-subscription-bulk-create-job", "attributes": {"profiles": {"data": people}},
                "relationships": {"list": {"data": target}},
            }  # fmt: skip
            yield _post("/api/profile-subscription-bulk-create-jobs", some, job)

    def _consent(self, event: Delivery) -> list[str]:
        """The channels that the person subscribes to and has an address in."""
        given = person.group_traits(event).get("consent")
        wanted = [given] if isinstance(given, str) else given if isinstance(given, list) else self.settings.consent
        known = {"email": person.email(event), "sms": _phone(event)}
        return [channel for channel in ("email", "sms") if channel in wanted and known[channel]]


def profile(event: Delivery) -> Resource:
    """The person as a profile; traits without a field of their own are properties."""
    traits = person.traits(event) if event.type == "identify" else {}
    if not traits:
        return {"type": "profile", "attributes": _identifiers(event)}
    home, company = person.address(event), traits.get("company")
    organization = company.get("name") if isinstance(company, dict) else company
    own = {name: value for name, value in traits.items() if name not in _PROFILE}
    known = {
        **_identifiers(event), "first_name": person.first_name(event), "last_name": person.last_name(event),
        "title": person.text(traits.get("title")), "image": person.text(traits.get("avatar") or traits.get("image")),
        "organization": person.text(traits.get("organization")) or person.text(organization),
        "location": {
            "address1": home.street, "city": home.city, "region": home.region, "zip": home.postal_code,
            "country": home.country,
        },
        "properties": _plain(own if _phone(event) else {**own, "phone": person.phone(event)}),
    }  # fmt: skip
    return {"type": "profile", "attributes": shape.present(known)}


def _identifiers(event: Delivery) -> dict[str, str]:
    found = {
        "email": person.email(event), "phone_number": _phone(event),
        "external_id": person.user_id(event)[:ID_LENGTH], "anonymous_id": person.anonymous_id(event)[:ID_LENGTH],
    }  # fmt: skip
    return shape.present(found)


def _phone(event: Delivery) -> str:
    plain = re.sub(r"[\s().-]", "", person.phone(event))
    return plain if _E164.match(plain) else ""


def _unfit_member(event: Delivery, consent: Sequence[str]) -> str | None:
    if not person.group_id(event):
        return "no_group_id"
    if _subscribes(event):
        return None if consent else "no_consent"
    return None if _identifiers(event) else "no_identifier"


def _subscribes(event: Delivery) -> bool:
    return person.group_traits(event).get("subscribe") is True


def _subscription(event: Delivery, channels: Sequence[str]) -> Resource:
    known = _identifiers(event)
    consented = {channel: {"marketing": {"consent": "SUBSCRIBED"}} for channel in channels}
    names = {"email": "email", "sms": "phone_number"}
    return {**{names[one]: known[names[one]] for one in channels}, "subscriptions": consented}


def _profiles(events: Sequence[Delivery]) -> HttpRequest:
    return _post("/api/profile-import", events, profile(events[0])) if len(events) == 1 else _job(events)


def _job(events: Sequence[Delivery], relationships: Resource | None = None) -> HttpRequest:
    job: Resource = {
        "type": "profile-bulk-import-job",
        "attributes": {"profiles": {"data": [profile(event) for event in events]}},
    }
    if relationships:
        job["relationships"] = relationships
    return _post("/api/profile-bulk-import-jobs", events, job)


def _post(path: str, events: Sequence[Delivery], resource: Resource, weight: int = 0) -> HttpRequest:
    return HttpRequest.of_json("POST", path, events, {"data": resource}, weight=weight, Accept="application/json")


def _plain(given: Mapping[str, Any]) -> Resource:
    """Names that begin with a dollar sign are Klaviyo's own."""
    return shape.present({name.lstrip("$") or "_": value for name, value in given.items()})


def _product(one: commerce.Product) -> Resource:
    return {
        "ProductID": one.id, "SKU": one.sku, "ProductName": one.name, "Quantity": one.quantity, "ItemPrice": one.price,
        "Brand": one.brand, "Category": one.category, "ProductURL": one.url, "ImageURL": one.image_url,
    }  # fmt: skip


def _pointed_at(response: HttpResponse) -> dict[int, str]:
    """The items that a refused job's errors point at, with the name of the field."""
    answer = response.json
    errors = answer.get("errors") if isinstance(answer, dict) else None
    found = {}
    for error in errors or ():
        pointer = str((error.get("source") or {}).get("pointer", ""))
        if place := _POINTER.match(pointer):
            found[int(place[1])] = f"{error.get('code', 'invalid')}: {pointer.rpartition('/')[2]}"
    return found
