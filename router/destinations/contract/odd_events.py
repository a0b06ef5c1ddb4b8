"""Events as careless clients send them: known names with values of the wrong kind. Made from a seed, for tests."""

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import orjson

from router.destinations.base import Delivery

_VALUES: tuple[Any, ...] = (
    *(None, "", " ", "x" * 300, "Ünï ⚽", "\0", "null", "NaN", "<b>x</b>", "{{a}}", "a\nb", True, False, [], {}),
    *(0, -1, 1.5, -0.0, 1e300, 10**18, 2**63, 1_767_225_600, 1_767_225_600_000, "12,50", "$12.50", "1e5", "€"),
    *([None], [{}], [[]], [1, "a"], {"a": None}, {"": 1}, {"a": {"b": {"c": 1}}}, "2026-01-01", "yesterday"),
    *("1990-02-30", "ada@example.com", " ADA@EXAMPLE.COM ", "a@b", "@", "+49 170 1234567", "00491701234567"),
    *("EUR", "eur", "male", "DE", "https://x.example/a?b=c", "http://[::1", "://"),
)  # fmt: skip
_FIELDS = """
    email phone name firstName last_name birthday gender address city country postal_code company id age avatar title
    createdAt username url path referrer search plan revenue price total value currency quantity order_id product_id
    products sku brand variant coupon position category list_id query shipping tax discount subject campaign token
    device tags unsubscribed audience_id audience member entered gclid fbc fbp conversion_time lead_id event_time
"""
_CONTEXT = {
    "page": "url path title referrer search", "campaign": "name source medium term content", "traits": _FIELDS,
    "device": "token type id advertisingId model", "app": "name version build", "os": "name version",
    "screen": "width height density", "location": "city country latitude", "network": "wifi carrier",
    "ip": "", "userAgent": "", "locale": "", "timezone": "", "groupId": "", "externalIds": "", "sessionId": "",
}  # fmt: skip
_NAMES = (
    *("Order Completed", "Product Viewed", "Product Added", "Products Searched", "Signed Up", "Order Refunded"),
    *("Application Installed", "Checkout Started", "Audience Entered", "Audience Exited", "Push Notification Opened"),
    *("x", " ", "Ünï ⚽", "y" * 500, "a\0b", "$identify", "[Amplitude] x", "purchase"),
)
_SECTIONS = dict.fromkeys(("track", "page", "screen"), "properties") | dict.fromkeys(("identify", "group"), "traits")
_TIME = "2026-01-01T00:00:00.000Z"


def odd_events(count: int, seed: int) -> Iterator[Delivery]:
    """Of all call types; each is one that the router lets through."""
    chance = random.Random(seed)  # noqa: S311  nothing secret
    for number in range(count):
        kind = chance.choice(["track", "track", "identify", "page", "screen", "group", "alias"])
        body: dict[str, Any] = {
            "type": kind, "messageId": f"m{number}", "profileId": f"p{number % 7}", "receivedAt": _TIME,
            "timestamp": _TIME, "originalTimestamp": _TIME, **_ids(chance, kind),
        }  # fmt: skip
        if kind == "track":
            body["event"] = chance.choice(_NAMES)
        elif chance.random() < 0.5:
            body["name"] = _value(chance)
        if kind in _SECTIONS:
            body[_SECTIONS[kind]] = _section(chance)
        if chance.random() < 0.7:
            body["context"] = _context(chance)
        yield Delivery(
            value=orjson.dumps(body), key=body["profileId"], source="web", type=kind, event=body.get("event", ""),
            idempotency_key=f"{number:032x}", body=body, attempt=1,
        )  # fmt: skip


def _ids(chance: random.Random, kind: str) -> dict[str, str]:
    ids = {"userId": chance.choice(["u1", "ada@example.com", "x" * 300, "Ünï", " "])}
    if chance.random() < 0.3:
        ids["anonymousId"] = chance.choice(["a1", "x" * 300])
        if kind != "alias" and chance.random() < 0.5:
            del ids["userId"]
    more = {"group": {"groupId": chance.choice(["g1", "x" * 300, " "])}, "alias": {"previousId": "a1"}}
    return ids | more.get(kind, {})


def _value(chance: random.Random) -> Any:
    return deepcopy(chance.choice(_VALUES))


def _some(chance: random.Random, names: str, most: int) -> list[str]:
    fields = names.split()
    return chance.sample(fields, min(len(fields), most))


def _section(chance: random.Random) -> dict[str, Any]:
    found = {name: _value(chance) for name in _some(chance, _FIELDS, chance.randrange(9))}
    if chance.random() < 0.4:
        items = range(chance.randrange(4))
        found["products"] = [{name: _value(chance) for name in _some(chance, _FIELDS, 6)} for _ in items]
    return found


def _context(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in chance.sample(sorted(_CONTEXT), chance.randrange(7)):
        inside = _some(chance, _CONTEXT[name], 4)
        whole = not inside or chance.random() < 0.3
        found[name] = _value(chance) if whole else {inner: _value(chance) for inner in inside}
    return found
