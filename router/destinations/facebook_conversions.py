"""Facebook Conversions: what people did, for Meta's Conversions API; web, application and offline events.

track is an event by Meta's name (`Order Completed` a `Purchase`) or its own; page and screen are a `PageView`;
identify, group and alias have no counterpart. The person is hashed by Meta's rules. `integrations` may hold
`action_source`, `event_id`, `fbc`, `fbp`, `lead_id` and the like. One bad event
refuses a whole request, so events older than `max_age` are filtered (`too_old`), as is whoever cannot be matched
(`no_user_data`, `weak_user_data`); a `Purchase` without an amount or a currency is kept. kill -9 or a timeout sends
events again: Meta knows them by name and `event_id`, the messageId, for 48 hours, and so counts what the browser's
pixel sent with the same id once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, get_args
from urllib.parse import parse_qs, urlsplit

from pydantic import Field

from router.config.types import Duration
from router.destinations.base import Delivery, Kind, Outcome, RequestLimits
from router.destinations.http import HttpRequest, Skip
from router.destinations.registry import destination
from router.destinations.response import HttpResponse
from router.destinations.shared import commerce, context, dates, hashing, keys, person, shape
from router.destinations.shared.graph import GraphDestination, GraphSettings, error_codes

ActionSource = Literal[
    "website", "app", "email", "phone_call", "chat", "physical_store", "system_generated", "business_messaging", "other"
]
_NAMES = {
    "Order Completed": "Purchase", "Product Added": "AddToCart", "Product Viewed": "ViewContent",
    "Product List Viewed": "ViewContent", "Checkout Started": "InitiateCheckout", "Products Searched": "Search",
    "Payment Info Entered": "AddPaymentInfo",
}  # fmt: skip
_TOO_OLD = (100, 2804003)
_AS_GIVEN = ("subscription_id", "fb_login_id", "lead_id", "ctwa_clid", "anon_id", "partner_id", "partner_name")
_DELIVERY = ("in_store", "curbside", "home_delivery")
_WEAK = (  # combinations that match too many people: Meta refuses them
    {"ct", "country", "st", "zp", "ge", "client_user_agent"},
    {"db", "client_user_agent"}, {"fn", "ge"}, {"ln", "ge"},
)  # fmt: skip


class FacebookConversionsSettings(GraphSettings):
    dataset_id: str = Field(
        examples=["1234567890"], pattern=r"^\d+$", description="Id of the dataset, which was the pixel's"
    )
    action_source: ActionSource | None = Field(
        None, description="Where events come from; left out: app, website (with a user agent) or other, by the event"
    )
    events: dict[str, str] = Field({}, description="Meta's names by track names, such as {Signed Up: Lead}")
    pages: bool = Field(True, description="Send page and screen calls as PageView")
    currency: str | None = Field(
        None, pattern="^[A-Z]{3}$", description="Of amounts whose event names none; left out: such a purchase is kept"
    )
    hash_external_id: bool = Field(True, description="Hash the user id; it must have the form that the pixel sends")
    max_age: Duration = Field("7d", validate_default=True, gt=0, description="Older events are not sent")
    limited_data_use: bool = Field(False, description="Ask Meta to limit the use of data (LDU), by the person's place")
    upload_tag: str | None = Field(None, description="Names an upload of offline events in Meta's Events Manager")
    test_event_code: str | None = Field(None, description="Shows events in Events Manager, Test Events")


@destination("facebook-conversions")
class FacebookConversions(GraphDestination):
    summary = "Web, application and offline events for Meta's Conversions API"
    integrations = ("Facebook Conversions API", "Facebook Conversions API (Actions)", "Facebook Offline Conversions")
    types = ("track", "page", "screen")
    limits = RequestLimits(count=1_000, batch=100)
    idempotency = "message_id"
    maps = "items"
    Settings = FacebookConversionsSettings
    settings: FacebookConversionsSettings

    def requests(self, events: Sequence[Delivery]) -> Iterator[HttpRequest | Skip]:
        fit, items = [], []
        for event in events:
            item = self._item(event)
            if isinstance(item, Skip):
                yield item
            else:
                fit.append(event)
                items.append(item)
        if fit:
            whole = {"upload_tag": self.settings.upload_tag, "test_event_code": self.settings.test_event_code}
            payload = shape.present({"data": items, **whole})
            yield HttpRequest.of_json("POST", self.graph_url(f"{self.settings.dataset_id}/events"), fit, payload)

    def read(self, request: HttpRequest, response: HttpResponse) -> Sequence[Outcome | HttpRequest]:
        if error_codes(response) == _TOO_OLD and len(request.events) == 1:
            return [Outcome(Kind.FILTERED, "too_old")]
        return super().read(request, response)

    def probe(self) -> HttpRequest:
        return HttpRequest("GET", self.graph_url(self.settings.dataset_id), ())

    def _item(self, event: Delivery) -> dict[str, Any] | Skip:
        at = dates.event_time(event)
        if event.type != "track" and not self.settings.pages:
            return Skip(event, "pages_off")
        if (datetime.fromtimestamp(self.clock(), UTC) - at).total_seconds() > self.settings.max_age:
            return Skip(event, "too_old")
        given = self.options(event)
        source = self._source(event, given)
        item = self.shaped(event, {
            "event_name": self._name(event), "event_time": dates.unix_seconds(at), "action_source": source,
            "event_id": person.text(given.get("event_id")) or person.message_id(event) or keys.as_hex(event),
            "event_source_url": _url(event), "user_data": self._person(event, given, source),
            "custom_data": self._bought(event), **(_application(event) if source == "app" else {}),
            "original_event_data": given.get("original_event_data"), **self._processing(),
        })  # fmt: skip
        return self._unfit(event, item) or shape.present(item)

    def _unfit(self, event: Delivery, item: dict[str, Any]) -> Skip | None:
        known = item.get("user_data")
        if not isinstance(known, dict) or not shape.present(known).keys() - {"client_user_agent"}:
            return Skip(event, "no_user_data")
        if any(shape.present(known).keys() <= weak for weak in _WEAK):
            return Skip(event, "weak_user_data")
        if item.get("action_source") == "website" and not known.get("client_user_agent"):
            return Skip(event, "no_user_agent")
        bought = item.get("custom_data")
        for name in ("value", "currency") if item.get("event_name") == "Purchase" else ():
            if not isinstance(bought, dict) or bought.get(name) in (None, ""):
                return Skip(event, f"no_{name}", keep=True)
        return None

    def _name(self, event: Delivery) -> str:
        if event.type != "track":
            return "PageView"
        return self.settings.events.get(event.event) or _NAMES.get(event.event) or event.event or "unnamed"

    def _source(self, event: Delivery, given: dict[str, Any]) -> str:
        """What the event itself says, then the settings, then what it looks like."""
        own = person.text(given.get("action_source"))
        if own in get_args(ActionSource):
            return own
        if self.settings.action_source:
            return self.settings.action_source
        if event.type == "screen" or _platform(event):
            return "app"
        return "website" if context.at(event, "userAgent") else "other"

    def _person(self, event: Delivery, given: dict[str, Any], source: str) -> dict[str, Any]:
        known, home = person.traits(event), person.address(event)
        born = known.get("birthday") or known.get("birthdate") or known.get("dateOfBirth")
        hashed: dict[hashing.MetaField, str] = {
            "em": person.email_or_hash(event), "ph": person.phone(event), "fn": person.first_name(event),
            "ln": person.last_name(event), "ge": person.text(known.get("gender")), "db": person.text(born),
            "ct": home.city, "st": home.region, "zp": home.postal_code, "country": home.country,
        }  # fmt: skip
        who = person.user_id(event) or person.anonymous_id(event)
        tracked = context.at(event, "device.adTrackingEnabled") is True
        return {
            **{name: hashing.meta(name, value, home.country) for name, value in hashed.items()},
            "external_id": hashing.sha256(who) if self.settings.hash_external_id else who,
            "client_ip_address": person.text(context.at(event, "ip")),
            "client_user_agent": person.text(context.at(event, "userAgent")),
            "fbc": person.text(given.get("fbc")) or _click(event), "fbp": person.text(given.get("fbp")),
            "madid": person.text(context.at(event, "device.advertisingId")) if tracked and source == "app" else "",
            **{name: person.text(given.get(name)) for name in _AS_GIVEN},
        }  # fmt: skip

    def _bought(self, event: Delivery) -> dict[str, Any]:
        own, bought, value = person.properties(event), commerce.products(event), commerce.revenue(event)
        ids = [one.id or one.sku for one in bought if one.id or one.sku]
        listed = event.event == "Product List Viewed" and not ids
        category = person.text(own.get("category")) or person.text(own.get("list_id"))
        currency = commerce.currency(event, self.settings.currency or "")
        return {
            "value": value, "currency": "" if value is None else currency,
            "content_ids": ids or ([category] if listed and category else None),
            "contents": [_content(one) for one in bought if one.id or one.sku] or None,
            "content_type": "product" if ids else "product_group" if listed and category else "",
            "content_name": person.text(own.get("name")), "content_category": category,
            "num_items": sum(one.quantity for one in bought) or None,
            "order_id": commerce.order_id(event), "search_string": person.text(own.get("query")),
        }  # fmt: skip

    def _processing(self) -> dict[str, Any]:
        if not self.settings.limited_data_use:
            return {}
        place = {"data_processing_options_country": 0, "data_processing_options_state": 0}  # 0: Meta finds it out
        return {"data_processing_options": ["LDU"], **place}


def _content(one: commerce.Product) -> dict[str, Any]:
    way = one.more.get("delivery_category")
    made = {"id": one.id or one.sku, "quantity": one.quantity, "item_price": one.price}
    return shape.present({**made, "delivery_category": way if way in _DELIVERY else None})


def _url(event: Delivery) -> str:
    return person.text(context.at(event, "page.url")) or person.text(person.properties(event).get("url"))


def _click(event: Delivery) -> str:
    """`fbc` of an address that an advertisement led to: the pixel makes the same cookie of it."""
    try:
        found = parse_qs(urlsplit(_url(event)).query).get("fbclid")
    except ValueError:
        return ""
    return f"fb.1.{dates.unix_ms(dates.event_time(event))}.{found[0]}" if found else ""


def _platform(event: Delivery) -> str:
    """`i2` or `a2`, as Meta calls them; empty for what is no mobile device."""
    for path in ("device.type", "os.name"):
        name = person.text(context.at(event, path)).lower()
        if name in ("ios", "ipados", "android"):
            return "a2" if name == "android" else "i2"
    return ""


def _application(event: Delivery) -> dict[str, Any]:
    """`extinfo` has 16 places in a fixed order; what is not known is empty."""

    def of(path: str) -> str:
        found = context.at(event, path)
        return str(found) if isinstance(found, float) else person.text(found)

    info = [
        _platform(event), of("app.namespace"), of("app.build"), of("app.version"), of("os.version"),
        of("device.model"), of("locale"), of("timezone"), of("network.carrier"), of("screen.width"),
        of("screen.height"), of("screen.density"), "", "", "", of("timezone"),
    ]  # fmt: skip
    allowed = context.at(event, "device.adTrackingEnabled")
    tracking = {"advertiser_tracking_enabled": int(allowed is True), "application_tracking_enabled": 1}
    return {"app_data": {**tracking, "extinfo": info}}
