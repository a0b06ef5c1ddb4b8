"""Amplitude: events, people and groups, by HTTP API v2 or its batch endpoint.

track is an event; page and screen are sent only when switched on. identify sets user properties (null unsets one) in
`$identify` events, group puts the person into the group and describes it in `$groupidentify`, alias maps the previous
id to the user id (cross-project users). The revenue of `Order Completed` is in one `Product Purchased` a product. 400
names the events not taken, the others are sent again at once; 429 names people who sent too much, who alone wait. kill
-9 or a timeout repeats nothing that counts: Amplitude knows an event for 7 days by its `insert_id`, the messageId.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal
from urllib.parse import quote_plus, urlencode

import orjson
from pydantic import Field

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip, itemized
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import commerce, context, dates, keys, person, shape

PROPERTIES = 1_000  # of a user or a group in one event
HELD_SECONDS, QUOTA_SECONDS = 30.0, 3_600.0  # how long people wait who sent too much in a second, in a day
_REFUNDS = frozenset(("Order Refunded", "Order Cancelled"))
_PLATFORMS = {"ios": "iOS", "ipados": "iOS", "apple": "iOS", "android": "Android"}
_CONTEXT = {
    "ip": "ip", "app_version": "app.version", "os_name": "os.name", "os_version": "os.version",
    "device_brand": "device.brand", "device_manufacturer": "device.manufacturer", "device_model": "device.model",
    "carrier": "network.carrier", "country": "location.country", "region": "location.region", "city": "location.city",
    "location_lat": "location.latitude", "location_lng": "location.longitude", "language": "locale",
    "library": "library.name",
}  # fmt: skip
_NAMED_BAD = ("events_with_invalid_fields", "events_with_missing_fields", "events_with_invalid_id_lengths")
_US_API = "https://api.amplitude.com"  # of all but events
Item = dict[str, Any]


class AmplitudeSettings(PartnerSettings):
    regions: ClassVar = {"us": "https://api2.amplitude.com", "eu": "https://api.eu.amplitude.com"}

    api_key: ApiKey = Field(examples=["${AMPLITUDE_API_KEY}"], description="The project's API key")
    endpoint: Literal["httpapi", "batch"] = Field(
        "httpapi", description="`batch` takes 1,000 events a second of one person where `httpapi` takes 30, more slowly"
    )
    device_id: Literal["device", "anonymous", "advertising"] = Field(
        "device",
        description="What is looked at first for the device id: context.device.id, anonymousId, or the advertising id "
        "where tracking is allowed; use what Amplitude's own SDKs on your clients use",
    )
    min_id_length: int = Field(1, ge=1, description="Characters of the shortest user or device id that is sent")
    pages: Literal["off", "all", "categorized", "named"] = Field(
        "off",
        description="Page and screen calls: none, each as `Loaded a Page`, those with a category, or those with a name",
    )
    group_type: str = Field("company", min_length=1, description="The group type that group calls set")
    revenue: Literal["products", "order"] = Field(
        "products", description="Whether revenue is in an event for each product of `Order Completed`, or in that event"
    )
    campaign: bool = Field(True, description="Set the UTM parameters, last and initial, as user properties")


@destination("amplitude")
class Amplitude(HttpDestination):
    summary = "Events, people, groups and revenue for Amplitude"
    integrations = ("Amplitude", "Actions Amplitude", "Amplitude (Actions)")
    limits = RequestLimits(count=2_000, batch=100, request_bytes=1_000_000, rate=1_000.0)
    idempotency = "message_id"
    maps = "items"
    Settings = AmplitudeSettings
    settings: AmplitudeSettings

    def batch_key(self, event: Delivery) -> Hashable:
        return event.type == "alias"

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        aliases = bool(events) and events[0].type == "alias"
        sent, items, skips = itemized(events, _mapping if aliases else self._items)
        yield from skips
        if items and aliases:
            yield self._user_map(sent, items)
        elif items:
            body = {"api_key": self._key, "events": items, "options": {"min_id_length": self.settings.min_id_length}}
            path = "/batch" if self.settings.endpoint == "batch" else "/2/httpapi"
            yield HttpRequest.of_json("POST", path, sent, body, weight=len(items))

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        answer = response.json if isinstance(response.json, dict) else {}
        if response.status == 429:
            return self._throttled(request, response, answer)
        if response.status != 400:
            return super().read(request, response)
        words = f"{answer.get('error')} {answer.get('missing_field')}" if answer else str(response.body[:100])
        if "api_key" in words.lower().replace(" ", "_"):
            return [Outcome(Kind.REFUSED, "400", "the API key is not valid")] * len(request.events)
        bad = {place: Outcome(Kind.REJECTED, "400", detail) for place, detail in _bad(answer).items()}
        return self._without(request, bad) or super().read(request, response)

    def sample(self, request: HttpRequest) -> str:
        return self._masked(super().sample(request))

    def answer_sample(self, response: HttpResponse) -> str:
        return self._masked(super().answer_sample(response))

    def _masked(self, text: str) -> str:
        return text.replace(self._key, "[api_key]").replace(quote_plus(self._key), "[api_key]")

    @property
    def _key(self) -> str:
        return self.settings.api_key.get_secret_value()

    def _throttled(self, request: HttpRequest, response: HttpResponse, answer: Item) -> Sequence[Outcome | HttpRequest]:
        """Only the people who sent too much wait; where Amplitude names none, everybody does."""
        wait = response.wait(*self.wait_headers) or HELD_SECONDS
        slow = _named(answer, "throttled_users", "throttled_devices")
        spent = _named(answer, "exceeded_daily_quota_users", "exceeded_daily_quota_devices")
        places = {one for one in answer.get("throttled_events") or () if isinstance(one, int)}
        held: dict[int, Outcome] = {}
        for place, item in enumerate(orjson.loads(request.body)["events"] if slow or spent or places else ()):
            ids = {item.get("user_id"), item.get("device_id")}
            if ids & spent:
                held[place] = Outcome(Kind.RETRY, "THROTTLED", "too many events in a day", QUOTA_SECONDS)
            elif place in places or ids & slow:
                held[place] = Outcome(Kind.RETRY, "THROTTLED", "too many events in a second", wait)
        if held:
            return self._without(request, held)
        return [replace(self.by_status(request, response), retry_after=wait)] * len(request.events)

    def _without(self, request: HttpRequest, kept: Mapping[int, Outcome]) -> list[Outcome | HttpRequest]:
        """These outcomes for the events of these items, and the others at once in a request of their own."""
        fates = {id(request.events[place]): one for place, one in kept.items() if place < len(request.events)}
        if not fates:
            return []
        others = {id(event): event for event in request.events if id(event) not in fates}
        following = {
            id(event): one
            for one in self.requests([*others.values()])
            if isinstance(one, HttpRequest)
            for event in one.events
        }
        return [fates.get(id(event)) or following[id(event)] for event in request.events]

    def _items(self, event: Delivery) -> list[Item] | str:
        """What the event is at Amplitude, or the reason why it is nothing there."""
        who = self._who(event)
        if isinstance(who, str):
            return who
        made: list[Item] | str
        match event.type:
            case "identify":
                made = self._identify(event, who)
            case "group":
                made = self._group(event, who)
            case "track":
                made = self._events(event, who, event.event) if event.event else "no_event_name"
            case _:
                made = self._page(event, who)
        return made if isinstance(made, str) else [shape.present(self.shaped(event, item)) for item in made]

    def _who(self, event: Delivery) -> Item | str:
        """The user and device id, or the reason why there are none."""
        device, anonymous = person.text(context.at(event, "device.id")), person.anonymous_id(event)
        tracked = context.at(event, "device.adTrackingEnabled") is True
        advertising = person.text(context.at(event, "device.advertisingId")) if tracked else ""
        order = {
            "device": (device, anonymous), "anonymous": (anonymous, device),
            "advertising": (advertising, device, anonymous),
        }[self.settings.device_id]  # fmt: skip
        user, known = person.real(person.user_id(event)), next(filter(None, map(person.real, order)), "")
        long = {
            name: one
            for name, one in (("user_id", user), ("device_id", known))
            if len(one) >= self.settings.min_id_length and one
        }
        return long or ("short_id" if user or known else "no_user_id")

    def _page(self, event: Delivery, who: Item) -> list[Item] | str:
        """Page and screen calls, by the setting `pages`."""
        category, name = person.text(event.body.get("category")), person.text(event.body.get("name"))
        match self.settings.pages:
            case "all":
                return self._events(event, who, context.page_event(event))
            case "categorized":
                return self._events(event, who, context.page_event(event, category)) if category else "no_category"
            case "named":
                return self._events(event, who, context.page_event(event, category, name)) if name else "no_page_name"
        return "pages_off"

    def _item(self, event: Delivery, who: Item, name: str, suffix: str = "", **more: Any) -> Item:
        session = self.options(event).get("session_id")
        return {
            "event_type": name, "time": dates.unix_ms(dates.event_time(event)),
            "insert_id": (person.message_id(event) or keys.as_hex(event)) + suffix,
            "session_id": session if isinstance(session, int) else None,
            **context.fields(event, _CONTEXT), **_device(event), **who, **more,
        }  # fmt: skip

    def _events(self, event: Delivery, who: Item, name: str) -> list[Item]:
        properties = commerce.with_amounts(person.properties(event))
        order = event.event == "Order Completed"
        products = [one for one in commerce.products(event) if one.price is not None] if order else []
        apart = bool(products) and self.settings.revenue == "products"
        group = person.real(person.group_id(event))
        given = self.options(event).get("groups")
        item = self._item(
            event, who, name, event_properties=properties, user_properties=self._campaign(event),
            groups=given if isinstance(given, dict) else {self.settings.group_type: group},
        ) | ({} if apart or event.event in _REFUNDS else _revenue(event, properties, order=order))  # fmt: skip
        bought = enumerate(products if apart else ())
        return [item, *(self._bought(event, who, number, one) for number, one in bought)]

    def _bought(self, event: Delivery, who: Item, number: int, product: commerce.Product) -> Item:
        known = {**product._asdict(), "id": "", "more": None, "product_id": product.id, **product.more}
        return self._item(
            event, who, "Product Purchased", f"-{number}", price=product.price, quantity=product.quantity,
            productId=product.id or product.sku, event_properties=known | {"order_id": commerce.order_id(event)},
        )  # fmt: skip

    def _campaign(self, event: Delivery) -> Item:
        known = context.campaign(event) if self.settings.campaign else {}
        return {"$set": known, "$setOnce": {f"initial_{name}": value for name, value in known.items()}}

    def _identify(self, event: Delivery, who: Item) -> list[Item] | str:
        parts = _operations(person.traits(event))
        if not parts and len(who) < 2:
            return "no_traits"
        return [
            self._item(event, who, "$identify", f"-{number}" if number else "", user_properties=part)
            for number, part in enumerate(parts or [{}])
        ]

    def _group(self, event: Delivery, who: Item) -> list[Item] | str:
        group = person.real(person.group_id(event))
        if not group:
            return "no_group_id"
        groups = {self.settings.group_type: group}
        described = _operations(person.group_traits(event))
        return [
            self._item(event, who, "$identify", user_properties={"$set": groups}, groups=groups),
            *(
                self._item(event, who, "$groupidentify", f"-group-{number}", groups=groups, group_properties=part)
                for number, part in enumerate(described)
            ),
        ]

    def _user_map(self, events: Sequence[Delivery], mapping: Sequence[Item]) -> HttpRequest:
        """Of another host than events, in the US."""
        own = self.settings.base_url is None and self.settings.address == self.settings.regions["us"]
        body = urlencode({"api_key": self._key, "mapping": orjson.dumps(mapping).decode()}).encode()
        url = f"{_US_API if own else ''}/usermap"
        return HttpRequest("POST", url, events, body, {"Content-Type": "application/x-www-form-urlencoded"})


def _mapping(event: Delivery) -> list[Item] | str:
    kept, joined = person.real(person.user_id(event)), person.real(person.text(event.body.get("previousId")))
    if not kept or not joined or kept == joined:
        return "no_previous_id"
    return [{"user_id": joined, "global_user_id": kept}]


def _operations(traits: Mapping[str, Any]) -> list[Item]:
    """The property operations of these traits, each as large as Amplitude takes them. null unsets a property."""
    names = list(traits)
    parts = (names[start : start + PROPERTIES] for start in range(0, len(names), PROPERTIES))
    return [
        {
            "$set": {name: traits[name] for name in part if traits[name] is not None},
            "$unset": {name: "-" for name in part if traits[name] is None},
        }
        for part in parts
    ]


def _revenue(event: Delivery, properties: Mapping[str, Any], *, order: bool) -> Item:
    """Revenue of the event itself: any that names it, and orders that can be added up."""
    value = commerce.revenue(event) if order else commerce.amount(properties.get("revenue"))
    if value is None:
        return {}
    product = commerce.product(dict(properties))
    return {
        "revenue": value, "productId": product.id or product.sku,
        "revenueType": person.text(properties.get("revenueType") or properties.get("revenue_type")),
    }  # fmt: skip


def _device(event: Delivery) -> Item:
    """The platform, and where tracking is allowed the advertising id by its name on that platform."""
    kind = person.text(context.at(event, "device.type")) or person.text(context.at(event, "os.name"))
    platform = _PLATFORMS.get(kind.lower(), "")
    browser = context.browser(event)
    known = {"platform": platform or ("Web" if browser else "")}
    if browser and not context.at(event, "os.name"):
        known["os_name"] = browser
    if platform == "iOS":
        known["idfv"] = person.text(context.at(event, "device.id"))
    if platform and context.at(event, "device.adTrackingEnabled") is True:
        known["idfa" if platform == "iOS" else "adid"] = person.text(context.at(event, "device.advertisingId"))
    return known


def _named(answer: Mapping[str, Any], *names: str) -> set[str]:
    """The ids that the answer counts under these names."""
    return {one for name in names if isinstance(found := answer.get(name), dict) for one in found}


def _bad(answer: Mapping[str, Any]) -> dict[int, str]:
    """What is wrong, by the position of the item."""
    wrong = {
        place: f"not valid: {field}"
        for kind in _NAMED_BAD
        for field, places in (answer.get(kind) or {}).items()
        for place in places
    }
    return wrong | dict.fromkeys(answer.get("silenced_events") or (), "the device is silenced")
