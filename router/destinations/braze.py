"""Braze: attributes, events and purchases by /users/track, 75 objects a request.

identify is attributes, after /users/identify where the call has an anonymous id beside the user id; track an event, and
`Order Completed` a purchase for each product, or with `ecommerce: recommended` one of Braze's ecommerce events; page
and screen are events named `Viewed … Page` and `Viewed … Screen`; group an attribute, or a subscription group; alias a
merge, which ends the profile of `previousId`. People without a user id are found by the alias `anonymousId`. The token
in `context.device` goes with identify, `Application Installed` and `Application Opened`. 201 with errors names the
objects that were not taken. Braze recognises no resend: what was under way at kill -9, or when an answer was lost, may
count twice. A product without a price is a purchase of 0. The property names `time` and `event_name` are reserved and
get a `_` at their end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson
from pydantic import Field

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import commerce, dates, person, shape

OBJECTS, NAME_BYTES = 75, 255
_ARRAYS = ("attributes", "events", "purchases")
_RESERVED = frozenset(("time", "event_name"))
_GENDERS = {"m": "M", "f": "F", "o": "O", "n": "N", "p": "P", "male": "M", "female": "F", "other": "O"}
_PROFILE = frozenset(
    ("email", "firstName", "first_name", "firstname", "lastName", "last_name", "lastname", "name", "phone", "gender")
) | {"birthday", "dob", "address", "avatar", "image_url", "country", "city", "home_city", "location"}
_INSTALLED = ("Application Installed", "Application Opened")
_RECOMMENDED = {
    "Product Viewed": "product_viewed", "Product Added": "cart_updated", "Product Removed": "cart_updated",
    "Checkout Started": "checkout_started", "Order Completed": "order_placed", "Order Refunded": "order_refunded",
    "Order Cancelled": "order_cancelled",
}  # fmt: skip


class BrazeSettings(PartnerSettings):
    instance: str = Field(
        pattern=r"^[a-z]{2,4}-\d{2}$",
        examples=["fra-01"],
        description="The instance in the address of your REST endpoint, such as iad-03, us-10, fra-01 or au-01",
    )
    api_key: ApiKey = Field(
        examples=["${BRAZE_API_KEY}"],
        description="A REST API key with users.track, users.identify, users.merge, and users.delete if people are",
    )
    apps: dict[str, str] = Field(
        default_factory=dict,
        description="Braze's app identifier of each platform: ios, android, web. Push tokens need it",
    )
    alias_label: str = Field("anonymous_id", min_length=1, description="The label of the aliases of anonymous people")
    merge_behavior: Literal["merge", "none"] = Field(
        "merge", description="What becomes of what an anonymous person has done when they are known: merge keeps it"
    )
    update_existing_only: bool = Field(False, description="Create nobody: objects of people unknown to Braze are lost")
    ecommerce: Literal["purchases", "recommended"] = Field(
        "purchases", description="Orders as purchases, or orders, carts and products as Braze's ecommerce events"
    )
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="For amounts whose event names no currency")
    groups: Literal["attribute", "subscription"] = Field(
        "attribute", description="A group call sets group_<groupId>, or subscribes to the subscription group groupId"
    )
    deletion_event: str | None = Field(None, description="Track calls of this name delete the person; none by default")

    @property
    def address(self) -> str:
        """By the instance: those in the EU end in braze.eu."""
        domain = "braze.eu" if self.instance.startswith("fra-") else "braze.com"
        return (self.base_url or f"https://rest.{self.instance}.{domain}").rstrip("/")


class BrazeObject(NamedTuple):
    """An object of a request, in one of its three arrays, and the event that it is of."""

    array: str
    content: dict[str, Any]
    event: Delivery


@destination("braze")
class Braze(HttpDestination):
    summary = "Attributes, events, purchases and push tokens for Braze"
    integrations = ("Braze", "Appboy", "Braze Cloud Mode (Actions)")
    wait_headers = ("x-ratelimit-retry-after", "retry-after", "x-ratelimit-reset")
    limits = RequestLimits(count=OBJECTS, batch=50, request_bytes=4_000_000, rate=1_000.0)
    order = "profile"
    maps = "items"
    Settings = BrazeSettings
    settings: BrazeSettings

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        parts: list[BrazeObject] = []
        for event in events:
            made = self._request(event) or self._parts(event)
            if isinstance(made, str):
                yield Skip(event, made)
            elif isinstance(made, HttpRequest):
                yield made
            else:
                parts += map(self._with_map, made)
        yield from self._identified(events)
        for start in range(0, len(parts), OBJECTS):
            yield _track(parts[start : start + OBJECTS])

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        answer = response.json
        errors = answer.get("errors") if isinstance(answer, dict) else None
        if response.status not in (200, 201) or not errors:
            return super().read(request, response)
        failed = {_place(request, one): Outcome(Kind.REJECTED, "400", str(one["type"])) for one in errors}
        return self.all_but(request, response, failed)

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.settings.api_key.get_secret_value()}"}

    def probe(self) -> HttpRequest:
        return HttpRequest.of_json("POST", "/users/track", (), {})

    def read_probe(self, response: HttpResponse) -> Outcome:
        """A request that is empty is a bad one to those who know the key."""
        return Outcome(Kind.DELIVERED, "400") if response.status == 400 else super().read_probe(response)

    def _request(self, event: Delivery) -> HttpRequest | str | None:
        """The request of an event that /users/track has no object for."""
        user, previous = person.user_id(event), person.text(event.body.get("previousId"))
        if event.type == "alias":
            if not user or not previous or user == previous:
                return "no_previous_id"
            if previous == person.anonymous_id(event):
                return self._identify([event])
            merge = {"identifier_to_merge": {"external_id": previous}, "identifier_to_keep": {"external_id": user}}
            return HttpRequest.of_json("POST", "/users/merge", [event], {"merge_updates": [merge]})
        if event.type == "track" and event.event == self.settings.deletion_event:
            return (
                HttpRequest.of_json("POST", "/users/delete", [event], {"external_ids": [user]})
                if user
                else "no_user_id"
            )
        return None

    def _identified(self, events: Sequence[Delivery]) -> Iterator[HttpRequest]:
        both = [one for one in events if one.type == "identify" and person.user_id(one) and person.anonymous_id(one)]
        for start in range(0, len(both), 50):
            yield self._identify(both[start : start + 50])

    def _identify(self, events: list[Delivery]) -> HttpRequest:
        aliases = [{"external_id": person.user_id(one), "user_alias": self._alias(one)} for one in events]
        content = {"aliases_to_identify": aliases, "merge_behavior": self.settings.merge_behavior}
        return HttpRequest.of_json("POST", "/users/identify", events, content)

    def _parts(self, event: Delivery) -> list[BrazeObject] | str:
        who = self._who(event)
        if not who:
            return "no_user_id"
        match event.type:
            case "identify":
                return [BrazeObject("attributes", {**who, **attributes(event), **self._token(event, who)}, event)]
            case "group":
                return self._group(event, who)
        made = self._events(event, who)
        token = self._token(event, who) if event.event in _INSTALLED else {}
        return [*([BrazeObject("attributes", {**who, **token}, event)] if token else []), *made]

    def _with_map(self, part: BrazeObject) -> BrazeObject:
        """A push token that goes along with an event is not what the event is."""
        if part.array == "attributes" and part.event.type == "track":
            return part
        return part._replace(content=self.shaped(part.event, part.content))

    def _who(self, event: Delivery) -> dict[str, Any]:
        if user := person.user_id(event):
            who: dict[str, Any] = {"external_id": user}
        elif alias := self._alias(event):
            who = {"user_alias": alias}
        elif email := person.email(event):
            who = {"email": email}
        else:
            return {}
        return {**who, "_update_existing_only": self.settings.update_existing_only}

    def _alias(self, event: Delivery) -> dict[str, str] | None:
        own = event.body.get("integrations")
        given = own.get("Braze") if isinstance(own, dict) else None
        alias = given.get("alias") if isinstance(given, dict) else None
        if isinstance(alias, dict) and person.text(alias.get("alias_name")):
            label = person.text(alias.get("alias_label")) or self.settings.alias_label
            return {"alias_name": person.text(alias["alias_name"]), "alias_label": label}
        name = person.anonymous_id(event)
        return {"alias_name": name, "alias_label": self.settings.alias_label} if name else None

    def _app(self, event: Delivery) -> str | None:
        """Braze's identifier of the app that sent the event; a browser's is that of `web`."""
        device, page = person.context(event).get("device"), person.context(event).get("page")
        kind = person.text(device.get("type")).lower() if isinstance(device, dict) else ""
        kind = "ios" if kind in ("ipados", "apple") else kind
        return self.settings.apps.get(kind or ("web" if page else ""))

    def _token(self, event: Delivery, who: Mapping[str, Any]) -> dict[str, Any]:
        device, app = person.context(event).get("device"), self._app(event)
        token = person.text(device.get("token")) if isinstance(device, dict) else ""
        if not isinstance(device, dict) or not token or not app:
            return {}
        tokens = [shape.present({"app_id": app, "token": token, "device_id": person.text(device.get("id"))})]
        return {"push_tokens": tokens, **({"push_token_import": True} if "user_alias" in who else {})}

    def _group(self, event: Delivery, who: Mapping[str, Any]) -> list[BrazeObject] | str:
        group = person.group_id(event)
        if not group:
            return "no_group_id"
        made: dict[str, Any] = {f"group_{group}": True}
        if self.settings.groups == "subscription":
            made = {"subscription_groups": [{"subscription_group_id": group, "subscription_state": "subscribed"}]}
        return [BrazeObject("attributes", {**who, **made}, event)]

    def _events(self, event: Delivery, who: Mapping[str, Any]) -> list[BrazeObject]:
        base = {**who, "app_id": self._app(event), "time": dates.iso(dates.event_time(event))}
        bought = commerce.products(event)
        if (
            self.settings.ecommerce == "recommended"
            and event.type == "track"
            and event.event in _RECOMMENDED
            and bought
        ):
            name, content = f"ecommerce.{_RECOMMENDED[event.event]}", self._ecommerce(event, bought)
            return [BrazeObject("events", {**base, "name": name, "properties": content}, event)]
        if event.type == "track" and event.event == "Order Completed" and bought:
            return [BrazeObject("purchases", {**base, **self._purchase(event, one)}, event) for one in bought]
        content = _properties(person.properties(event))
        return [
            BrazeObject("events", {**base, "name": shape.cut(_name(event), NAME_BYTES), "properties": content}, event)
        ]

    def _purchase(self, event: Delivery, one: commerce.Product) -> dict[str, Any]:
        order = {name: value for name, value in person.properties(event).items() if name != "products"}
        own = {"name": one.name, "brand": one.brand, "category": one.category, "variant": one.variant, "sku": one.sku}
        return {
            "product_id": shape.cut(one.id or one.sku or one.name, NAME_BYTES), "price": one.price or 0.0,
            "currency": commerce.currency(event, self.settings.currency), "quantity": one.quantity,
            "properties": _properties({**order, **shape.present(own), **one.more}),
        }  # fmt: skip

    def _ecommerce(self, event: Delivery, bought: Sequence[commerce.Product]) -> dict[str, Any]:
        own = person.properties(event)
        shared = {"currency": commerce.currency(event, self.settings.currency), "source": event.source}
        items = [_item(one) for one in bought]
        if event.event == "Product Viewed":
            return {**items[0], **shared}
        action = {"Product Added": "add", "Product Removed": "remove"}.get(event.event)
        return shape.present({
            **shared, "total_value": commerce.revenue(event), "products": items, "action": action,
            "cart_id": person.text(own.get("cart_id")), "checkout_id": person.text(own.get("checkout_id")),
            "order_id": commerce.order_id(event), "cancel_reason": person.text(own.get("reason")),
        })  # fmt: skip


def attributes(event: Delivery) -> dict[str, Any]:
    """The person's traits by Braze's names. A trait that is null is unset; other traits keep their names."""
    traits, home = person.traits(event), person.address(event)
    known = {
        "email": person.email(event), "phone": person.phone(event),
        "first_name": person.first_name(event), "last_name": person.last_name(event),
        "gender": _GENDERS.get(person.text(traits.get("gender")).lower()), "dob": _birthday(traits),
        "country": home.country, "home_city": person.text(traits.get("home_city")) or home.city,
        "image_url": person.text(traits.get("avatar")) or person.text(traits.get("image_url")),
        "current_location": _location(traits.get("location") or person.context(event).get("location")),
    }  # fmt: skip
    own = {name: value for name, value in traits.items() if name not in _PROFILE}
    return {**_properties(own), **shape.present(known)}


def _location(given: object) -> dict[str, float] | None:
    if not isinstance(given, dict):
        return None
    east, north = commerce.amount(given.get("longitude")), commerce.amount(given.get("latitude"))
    return None if east is None or north is None else {"longitude": east, "latitude": north}


def _birthday(traits: Mapping[str, Any]) -> str:
    day = dates.yyyymmdd(traits.get("birthday") or traits.get("dob"))
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""


def _name(event: Delivery) -> str:
    if event.type not in ("page", "screen"):
        return event.event or "unnamed"
    category, name = (person.text(event.body.get(one)) for one in ("category", "name"))
    return " ".join(one for one in ("Viewed", category, name, event.type.capitalize()) if one)


def _properties(given: Mapping[str, Any]) -> dict[str, Any]:
    """Names that Braze takes: none reserved, none that begins with a dollar sign, at most 255 bytes."""
    return {
        shape.cut(f"{name}_" if name in _RESERVED else name.lstrip("$") or "_", NAME_BYTES): value
        for name, value in given.items()
    }


def _item(one: commerce.Product) -> dict[str, Any]:
    return shape.present({
        "product_id": one.id or one.sku, "product_name": one.name, "variant_id": one.variant or one.sku or one.id,
        "price": one.price, "quantity": one.quantity, "product_url": one.url, "image_url": one.image_url,
    })  # fmt: skip


def _track(parts: Sequence[BrazeObject]) -> HttpRequest:
    """One event for each object, in the order of the arrays: errors name an array and a place in it."""
    arrays = {array: [part for part in parts if part.array == array] for array in _ARRAYS}
    events = [part.event for found in arrays.values() for part in found]
    content = {array: [_known(part.content) for part in found] for array, found in arrays.items() if found}
    more = {"X_Braze_Batch": "true"} if len(parts) > 1 else {}
    return HttpRequest.of_json("POST", "/users/track", events, content, weight=len(parts), **more)


def _known(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != "app_id" or value}


def _place(request: HttpRequest, error: Mapping[str, Any]) -> int:
    """The position among the request's events of what the error is about."""
    sent = orjson.loads(request.body)
    before = _ARRAYS[: _ARRAYS.index(error["input_array"])]
    return sum(len(sent.get(array, ())) for array in before) + int(error["index"])
