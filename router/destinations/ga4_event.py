"""A call in the words of Google Analytics 4: its name, its parameters and its items, within Google's limits. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from router.destinations.base import Delivery
from router.destinations.shared import commerce, context, person, shape

NAME_CHARACTERS, PARAMETERS, ITEM_PARAMETERS, ITEMS = 40, 25, 10, 200
_LENGTHS = {"page_title": 300, "page_referrer": 420, "page_location": 1_000}
_EVENTS = {
    "Products Searched": "search", "Product List Viewed": "view_item_list", "Promotion Viewed": "view_promotion",
    "Promotion Clicked": "select_promotion", "Product Clicked": "select_item", "Product Viewed": "view_item",
    "Product Added": "add_to_cart", "Product Removed": "remove_from_cart", "Cart Viewed": "view_cart",
    "Checkout Started": "begin_checkout", "Checkout Step Completed": "add_shipping_info",
    "Payment Info Entered": "add_payment_info", "Order Completed": "purchase", "Order Refunded": "refund",
    "Product Added to Wishlist": "add_to_wishlist", "Product Shared": "share", "Cart Shared": "share",
}  # fmt: skip
_PARAMETERS = {
    "order_id": "transaction_id", "orderId": "transaction_id", "query": "search_term", "list_id": "item_list_id",
    "list_name": "item_list_name", "creative": "creative_name", "shipping_method": "shipping_tier",
    "payment_method": "payment_type", "share_via": "method",
}  # fmt: skip
_NUMBERS = frozenset(("tax", "shipping", "discount"))
_OF_PRODUCTS = frozenset(
    (
        *("product_id", "productId", "sku", "name", "brand", "category", "variant", "coupon", "price", "quantity"),
        *("position", "image_url"),
    )
)
_CONSUMED = frozenset(
    ("products", "revenue", "total", "subtotal", "value", "currency", "client_id", "app_instance_id", "session_id")
) | {"engagement_time_msec"}
_RESERVED = frozenset(
    (
        *("ad_activeview", "ad_click", "ad_exposure", "ad_impression", "ad_query", "ad_reward", "adunit_exposure"),
        *("app_background", "app_clear_data", "app_exception", "app_install", "app_remove", "app_update", "error"),
        *("app_upgrade", "dynamic_link_app_open", "dynamic_link_app_update", "dynamic_link_first_open"),
        *("first_open", "first_visit", "in_app_purchase", "notification_dismiss", "notification_foreground"),
        *("notification_open", "notification_receive", "notification_send", "os_update", "session_start"),
        *("user_engagement",),
    )
)
_RESERVED_PREFIXES = ("_", "firebase_", "ga_", "google_", "gtag.")
_PERSONAL = frozenset(
    (
        *("email", "email_address", "phone", "phone_number", "mobile", "first_name", "firstname", "last_name"),
        *("lastname", "full_name", "fullname", "username", "user_name", "address", "street", "birthday", "birth_date"),
        *("date_of_birth", "ip", "ip_address", "password", "user_id", "userid"),
    )
)
_ADDRESS = re.compile(r"[^\s@/?&=:;,]+(?:@|%40)[^\s@/?&=:;,%]+\.[A-Za-z]{2,}")
Item = dict[str, Any]


class Content(NamedTuple):
    """What an event is at Google, before its limits."""

    name: str
    params: Item
    items: list[Item]


def cleaned(name: str) -> str:
    """Letters, digits and underscores, beginning with a letter, at most 40; empty where nothing is left."""
    return re.sub(r"\A[^A-Za-z]+", "", re.sub(r"[^A-Za-z0-9_]+", "_", name.strip())).rstrip("_")[:NAME_CHARACTERS]


def is_reserved(name: str, names: frozenset[str] = frozenset()) -> bool:
    return name in names or name.startswith(_RESERVED_PREFIXES)


def without_addresses(text: str) -> str:
    """The text, such as a URL, without mail addresses."""
    return _ADDRESS.sub("(redacted)", text)


def content_of(event: Delivery, *, currency: str, lowercase: bool, screen_event: str) -> Content | str:
    """What the call is at Google, or the reason why it is nothing there."""
    match event.type:
        case "page":
            return _page(event)
        case "screen":
            called = person.text(event.body.get("name"))
            return Content(screen_event, {**person.properties(event), "screen_name": called}, [])
        case "group":
            group = person.real(person.group_id(event))
            return Content("join_group", {"group_id": group}, []) if group else "no_group_id"
    if name := _EVENTS.get(event.event):
        return _commerce(event, name, currency)
    if event.event.startswith(_RESERVED_PREFIXES):
        return "reserved_event_name"
    name = cleaned(event.event.lower() if lowercase else event.event)
    if not name:
        return "no_event_name"
    if is_reserved(name.lower(), _RESERVED):
        return "reserved_event_name"
    return Content(name, _custom(event, currency), [])


def limited(content: Content, first: Item, *, value_length: int, personal: bool) -> tuple[Item, list[str]]:
    """The parameters as Google takes them, `first` before all, and what was left out: `place: why`."""
    problems: list[str] = []
    params: Item = {}
    for name, value in {**first, **shape.flat(content.params)}.items():
        called = cleaned(name)
        scalar = _scalar(value, _LENGTHS.get(called, value_length), personal=personal)
        if scalar is None or scalar == "":
            if value not in (None, "", []):
                problems.append("params: neither text nor number")
        elif not called or is_reserved(name) or is_reserved(called):
            problems.append("params: a reserved name")
        elif not personal and called.lower() in _PERSONAL:
            problems.append("params: personal data")
        elif len(params) >= PARAMETERS - bool(content.items):
            problems.append(f"params: more than {PARAMETERS}")
        else:
            params[called] = scalar
    if content.items:
        items = (
            {name: _scalar(value, value_length, personal=personal) for name, value in one.items()}
            for one in content.items[:ITEMS]
        )
        params["items"] = [shape.present(one) for one in items]
        problems += [f"items: more than {ITEMS}"] * (len(content.items) > ITEMS)
    return params, problems


def _page(event: Delivery) -> Content | str:
    properties = person.properties(event)
    url, referrer, title = (
        person.text(properties.get(name)) or person.text(context.at(event, f"page.{name}"))
        for name in ("url", "referrer", "title")
    )
    if not url:
        return "no_page_url"
    more = {name: value for name, value in properties.items() if name not in ("url", "referrer", "title", *_CONSUMED)}
    return Content("page_view", {"page_location": url, "page_title": title, "page_referrer": referrer, **more}, [])


def _custom(event: Delivery, currency: str) -> Item:
    """A custom event keeps its properties; an amount gets its currency."""
    properties = commerce.with_amounts(person.properties(event))
    value = commerce.amount(properties.get("value", properties.get("revenue")))
    known = {"value": value, "currency": commerce.currency(event, currency)} if value is not None else {}
    return {**known, **{name: one for name, one in properties.items() if name not in _CONSUMED}}


def _commerce(event: Delivery, name: str, currency: str) -> Content:
    properties = commerce.with_amounts(person.properties(event))
    products, value = commerce.products(event), commerce.revenue(event)
    single = bool(products) and not isinstance(properties.get("products"), list)
    params: Item = {"transaction_id": commerce.order_id(event)}
    if value is not None:
        params |= {"value": value, "currency": commerce.currency(event, currency)}
    if name == "view_item_list" and not properties.get("list_name"):
        params["item_list_name"] = properties.get("category")
    consumed = _CONSUMED | _OF_PRODUCTS if single else _CONSUMED
    if name in ("view_promotion", "select_promotion"):
        params |= {"promotion_name": properties.get("name"), "creative_slot": properties.get("position")}
        consumed |= {"name", "position"}
    for own, one in properties.items():
        if own not in consumed:
            params.setdefault(_PARAMETERS.get(own, own), commerce.amount(one) if own in _NUMBERS else one)
    return Content(name, params, list(_items(products, with_own=not single)))


def _items(products: list[commerce.Product], *, with_own: bool) -> Iterator[Item]:
    """Items that name themselves, with at most ten properties of their own."""
    for one in products:
        if not (one.id or one.sku or one.name):
            continue
        more = one.more if with_own else {}
        own = [(cleaned(name), value) for name, value in more.items() if not is_reserved(name)]
        kept = [(name, value) for name, value in own if name and name.lower() not in _PERSONAL][:ITEM_PARAMETERS]
        yield {
            **dict(kept), "item_id": one.id or one.sku, "item_name": one.name, "item_category": one.category,
            "item_variant": one.variant, "item_brand": one.brand, "price": one.price, "quantity": one.quantity,
            "coupon": one.coupon, "index": one.position,
        }  # fmt: skip


def _scalar(value: Any, length: int, *, personal: bool) -> str | int | float | None:
    """Text and numbers; lists of such joined by commas."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and value and all(isinstance(one, str | int | float) for one in value):
        value = ",".join(map(str, value))
    if isinstance(value, str):
        return (value if personal else without_addresses(value))[:length]
    return value if isinstance(value, int | float) else None
