"""What was bought, by the names of Segment's ecommerce spec. Numbers written as text count."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from router.destinations.base import Delivery
from router.destinations.shared.person import properties, text

_CURRENCY = re.compile(r"[A-Za-z]{3}\Z")
_AMOUNTS = frozenset(("revenue", "total", "subtotal", "value", "price", "quantity", "tax", "shipping", "discount"))
_SIGNS = re.compile(r"[\s$€£¥]|[A-Z]{3}")


class Product(NamedTuple):
    """Empty or None where the event does not say; `more` are its further properties."""

    id: str = ""
    sku: str = ""
    name: str = ""
    brand: str = ""
    category: str = ""
    variant: str = ""
    coupon: str = ""
    price: float | None = None
    quantity: int = 1
    position: int | None = None
    url: str = ""
    image_url: str = ""
    more: Mapping[str, Any] = MappingProxyType({})


_KNOWN = frozenset(
    ("product_id", "productId", "id", "sku", "name", "brand", "category", "variant", "coupon", "price", "quantity")
) | {"position", "url", "image_url", "imageUrl"}


def products(event: Delivery) -> list[Product]:
    """`properties.products`; where there are none, the product that the properties themselves name."""
    own = properties(event)
    listed = own.get("products")
    if isinstance(listed, list):
        return [product(one) for one in listed if isinstance(one, dict)]
    single = product(own)
    return [single] if single.id or single.sku else []


def product(given: dict[str, Any]) -> Product:
    def of(*names: str) -> str:
        return next((found for name in names if (found := text(given.get(name)))), "")

    quantity, position = amount(given.get("quantity")), amount(given.get("position"))
    return Product(
        of("product_id", "productId", "id"), of("sku"), of("name"), of("brand"), of("category"), of("variant"),
        of("coupon"), amount(given.get("price")), 1 if quantity is None else int(quantity),
        None if position is None else int(position), of("url"), of("image_url", "imageUrl"),
        {name: value for name, value in given.items() if name not in _KNOWN},
    )  # fmt: skip


def amount(value: object) -> float | None:
    """A number, or text such as `12.50`, `$1,299.00`, `12,50 €` or `1.299,00`; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = _SIGNS.sub("", value)
        if re.search(r",\d{1,2}\Z", value):  # the comma is the decimal one
            value = value.replace(".", "").replace(",", ".")
        value = value.replace(",", "")
    if not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def revenue(event: Delivery) -> float | None:
    """`revenue`, else `total`, else `value`; for an order without one, the sum of its products."""
    own = properties(event)
    for name in ("revenue", "total", "value"):
        if (found := amount(own.get(name))) is not None:
            return found
    prices = [one.price * one.quantity for one in products(event) if one.price is not None]
    return round(sum(prices), 6) if prices else None


def with_amounts(given: Mapping[str, Any]) -> dict[str, Any]:
    """The properties, with amounts that were written as text as numbers."""

    def number(name: str, value: Any) -> Any:
        found = amount(value) if name in _AMOUNTS and isinstance(value, str) else None
        return value if found is None else found

    return {name: number(name, value) for name, value in given.items()}


def currency(event: Delivery, default: str = "") -> str:
    """Three capital letters."""
    given = text(properties(event).get("currency"))
    return given.upper() if _CURRENCY.match(given) else default


def cents(value: float) -> int:
    """An amount in hundredths, rounded half up as money is."""
    return int((Decimal(str(value)) * 100).to_integral_value(rounding="ROUND_HALF_UP"))


def order_id(event: Delivery) -> str:
    own = properties(event)
    return text(own.get("order_id")) or text(own.get("orderId"))
