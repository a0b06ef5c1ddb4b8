"""Iterable: users, events, purchases, carts and lists, singly or in bulk.

identify updates the user, and registers the push token of `context.device` (with `mobile_app`) or the browser's of
`context.os.token`. track is an event; `Order Completed` with products is a purchase; `Cart Updated`, `Product Added`
and `Product Removed` with the whole cart as `products` replace it; `User Deleted` deletes the user. page and screen are
events if `pages` says so; group puts the person on a list of `lists`; alias changes an e-mail address. 200 with
`failCount` names what was not taken: dead letters. kill -9 or a timeout repeats nothing that counts: an event sent
again overwrites itself by its `id`, updates change nothing; only an address changed twice is refused (a dead letter).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import ApiKey, HttpDestination, HttpRequest, PartnerSettings, Skip, fitting
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import commerce, context, dates, keys, person, shape

_BULK = {
    "users": ("/api/users/update", "/api/users/bulkUpdate"),
    "events": ("/api/events/track", "/api/events/trackBulk"),
}
_CART = frozenset(("Cart Updated", "Product Added", "Product Removed"))
_RESERVED = frozenset(("email", "userId", "phone"))  # of a user's fields: they have places of their own
_FAILURES = {
    "invalidEmails": "INVALID_EMAIL", "invalidUserIds": "INVALID_USER_ID", "invalidDataEmails": "INVALID_DATA",
    "invalidDataUserIds": "INVALID_DATA", "conflictEmails": "CONFLICT", "conflictUserIds": "CONFLICT",
    "forgottenEmails": "FORGOTTEN", "forgottenUserIds": "FORGOTTEN", "notFoundEmails": "NOT_FOUND",
    "notFoundUserIds": "NOT_FOUND", "disallowedEventNames": "DISALLOWED_EVENT_NAME",
}  # fmt: skip
Item = dict[str, Any]


class IterableSettings(PartnerSettings):
    regions: ClassVar = {"us": "https://api.iterable.com", "eu": "https://api.eu.iterable.com"}

    api_key: ApiKey = Field(examples=["${ITERABLE_API_KEY}"], description="A server-side key of the project")
    identify_by: Literal["email", "user_id"] = Field(
        "email", description="What the project knows people by; the other one is used where this one is missing"
    )
    prefer_user_id: bool = Field(True, description="Create a user who is known by user id only")
    merge_nested_objects: bool = Field(True, description="Merge objects in a user's fields instead of replacing them")
    pages: bool = Field(
        False, description="Send page and screen calls, as events `Viewed … Page` and `Viewed … Screen`"
    )
    commerce: bool = Field(True, description="Send completed orders as purchases, and carts")
    lists: dict[str, int] = Field({}, description="The list that a group's members are put on, by groupId")
    mobile_app: str | None = Field(
        None, description="The name of the mobile app in Iterable; with it, push tokens of devices are registered"
    )
    apns_sandbox: bool = Field(False, description="Push tokens of Apple devices are those of development builds")


@destination("iterable")
class IterableDestination(HttpDestination):
    summary = "Users, events, purchases and lists for Iterable"
    integrations = ("Iterable", "Iterable (Actions)")
    limits = RequestLimits(count=1_000, batch=100, request_bytes=4_000_000, rate=500.0)
    order = "profile"
    idempotency = "message_id"
    maps = "items"
    default_wait = 1.0  # its limits are by the second
    Settings = IterableSettings
    settings: IterableSettings

    def batch_key(self, event: Delivery) -> Hashable:
        """Users and events go in bulk, members of a list together, everything else alone."""
        if event.type == "group":
            return ("list", person.group_id(event))
        if event.type == "identify":
            return "users"
        alone = event.type == "alias" or event.event == "User Deleted" or self._commerce(event)
        return ("alone", event.idempotency_key) if alone else "events"

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        fit, skips = fitting(events, self._unfit)
        yield from skips
        if not fit:
            return
        if fit[0].type in ("group", "alias"):
            yield self._members(fit) if fit[0].type == "group" else self._address_change(fit)
        elif fit[0].event == "User Deleted":
            yield HttpRequest("DELETE", _user_path(self._who(fit[0])), fit)
        elif made := self._commerce(fit[0]):
            path, content = made
            yield self._post(path, fit, content)
        else:
            yield from self._bulk(fit)

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        answer = response.json
        if request.method == "DELETE" and response.status == 404:
            return [Outcome(Kind.DELIVERED, "404")] * len(request.events)
        if response.status == 400 and len(request.events) == 1 and isinstance(answer, dict):
            word = str(answer.get("code", ""))
            return [Outcome(Kind.REJECTED, "400", word if word.isalnum() else response.detail)]
        if response.status != 200 or not isinstance(answer, dict) or not answer.get("failCount"):
            return super().read(request, response)
        return self.all_but(request, response, self._failed(request.events, _named_failures(answer)))

    def authenticate(self, request: HttpRequest, now: float) -> Mapping[str, str]:
        return {"Api-Key": self.settings.api_key.get_secret_value()}

    def probe(self) -> HttpRequest:
        return HttpRequest("GET", "/api/lists", ())

    def _unfit(self, event: Delivery) -> str | None:
        """Why the event is not sent."""
        if event.type == "alias":
            new, old = person.user_id(event), person.text(event.body.get("previousId"))
            return None if old and old != new and person.is_email(new) else "no_change_of_email"
        if event.type in ("page", "screen") and not self.settings.pages:
            return "pages_off"
        if event.type == "group" and person.group_id(event) not in self.settings.lists:
            return "group_without_list"
        return None if self._who(event) else "no_identifier"

    def _who(self, event: Delivery) -> Item:
        """By what Iterable knows the person; empty where the event does not say."""
        email, user = person.email(event), person.user_id(event)
        if not user or (email and self.settings.identify_by == "email"):
            return {"email": email} if email else {}
        return {"userId": user, "preferUserId": self.settings.prefer_user_id}

    def _bulk(self, events: Sequence[Delivery]) -> Iterator[HttpRequest]:
        kind = "users" if events[0].type == "identify" else "events"
        make = self._user if kind == "users" else self._event
        items = [shape.present(self.shaped(event, make(event))) for event in events]
        one, many = _BULK[kind]
        if len(items) == 1:
            yield HttpRequest.of_json("POST", one, events, items[0])
        else:
            yield HttpRequest.of_json("POST", many, events, {kind: items})
        if kind == "users":
            yield from filter(None, map(self._token, events))

    def _user(self, event: Delivery) -> Item:
        fields = {name: value for name, value in person.traits(event).items() if name not in _RESERVED}
        return {
            **self._who(event), "email": person.email(event), "userId": person.user_id(event),
            "mergeNestedObjects": self.settings.merge_nested_objects,
            "dataFields": {**dates.with_dates(fields, _date), "phoneNumber": person.phone(event)},
        }  # fmt: skip

    def _event(self, event: Delivery) -> Item:
        properties = person.properties(event)
        page = context.page_event(event, person.text(event.body.get("category")), person.text(event.body.get("name")))
        return {
            **self._who(event), "eventName": (event.event or "unnamed") if event.type == "track" else page,
            "id": _id(event), "createdAt": dates.unix_seconds(dates.event_time(event)),
            "campaignId": _number(properties.get("campaignId")), "templateId": _number(properties.get("templateId")),
            "dataFields": dates.with_dates(commerce.with_amounts(properties), _date),
        }  # fmt: skip

    def _commerce(self, event: Delivery) -> tuple[str, Item] | None:
        """Where a purchase or a cart goes, and what it is; None for all else, and for orders that lack something."""
        listed = person.properties(event).get("products")
        if event.type != "track" or not self.settings.commerce or not isinstance(listed, list):
            return None
        user = {**self._who(event), "email": person.email(event), "userId": person.user_id(event)}
        items = [item for product in commerce.products(event) if (item := _item(product))]
        if event.event in _CART and len(items) == len(listed):  # it replaces the cart: all or nothing
            return "/api/commerce/updateCart", {"user": user, "items": items}
        total = commerce.revenue(event)
        if event.event != "Order Completed" or total is None or not items:
            return None
        own = {name: value for name, value in person.properties(event).items() if name != "products"}
        return "/api/commerce/trackPurchase", {
            "id": commerce.order_id(event) or _id(event), "user": user, "items": items, "total": total,
            "createdAt": dates.unix_seconds(dates.event_time(event)),
            "dataFields": dates.with_dates(commerce.with_amounts(own), _date),
        }  # fmt: skip

    def _members(self, events: Sequence[Delivery]) -> HttpRequest:
        people = [shape.present(self.shaped(event, self._who(event))) for event in events]
        target = self.settings.lists[person.group_id(events[0])]
        return HttpRequest.of_json("POST", "/api/lists/subscribe", events, {"listId": target, "subscribers": people})

    def _address_change(self, events: Sequence[Delivery]) -> HttpRequest:
        new, old = person.user_id(events[0]), person.text(events[0].body.get("previousId"))
        known = {"currentEmail": old} if person.is_email(old) else {"currentUserId": old}
        return self._post("/api/users/updateEmail", events, {**known, "newEmail": new})

    def _token(self, event: Delivery) -> HttpRequest | None:
        """Registers the push token that the event carries."""
        token, browser = person.text(context.at(event, "device.token")), person.text(context.at(event, "os.token"))
        if token and self.settings.mobile_app:
            apple = person.text(context.at(event, "device.type")).lower() in ("ios", "ipados", "apple")
            platform = ("APNS_SANDBOX" if self.settings.apns_sandbox else "APNS") if apple else "GCM"
            device = {"token": token, "platform": platform, "applicationName": self.settings.mobile_app}
            path, content = "/api/users/registerDeviceToken", {**self._who(event), "device": device}
        elif browser:
            path, content = "/api/users/registerBrowserToken", {**self._who(event), "browserToken": browser}
        else:
            return None
        return HttpRequest.of_json("POST", path, [event], content)

    def _post(self, path: str, events: Sequence[Delivery], content: Item) -> HttpRequest:
        return HttpRequest.of_json("POST", path, events, shape.present(self.shaped(events[0], content)))

    def _failed(self, events: Sequence[Delivery], named: Mapping[str, str]) -> dict[int, Outcome]:
        """The events that are about someone or something that Iterable names as not taken."""
        failed = {}
        for place, event in enumerate(events):
            known = (person.email(event), person.user_id(event), event.event if event.type == "track" else "")
            code = next((named[one.casefold()] for one in known if one.casefold() in named), None)
            if code is not None:
                failed[place] = Outcome(Kind.REJECTED, code, "not taken, says the answer to the bulk request")
        return failed


def _named_failures(answer: Mapping[str, Any]) -> dict[str, str]:
    """The code of each e-mail, user id or event name that an answer lists as not taken."""
    nested = answer.get("failedUpdates")
    named: dict[str, str] = {}
    for listed in (nested if isinstance(nested, dict) else {}, answer):
        for field, code in _FAILURES.items():
            named |= {str(one).casefold(): code for one in listed.get(field) or ()}
    return named


def _item(one: commerce.Product) -> Item | None:
    """Iterable wants an id, a name, a price and a quantity of each product."""
    known = one.id or one.sku
    if not known or one.price is None:
        return None
    return {
        "id": known, "sku": one.sku, "name": one.name or known, "price": one.price, "quantity": one.quantity,
        "categories": [one.category] if one.category else None, "url": one.url, "imageUrl": one.image_url,
        "dataFields": dict(one.more),
    }  # fmt: skip


def _user_path(who: Item) -> str:
    if "email" in who:
        return f"/api/users/{quote(who['email'], safe='')}"
    return f"/api/users/byUserId/{quote(who['userId'], safe='')}"


def _id(event: Delivery) -> str:
    return person.message_id(event) or keys.as_hex(event)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _date(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S +00:00")
