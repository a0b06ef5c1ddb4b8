"""Events of the spec whose values are all different, so that each value that a connector sends can be traced back."""

from __future__ import annotations

from typing import Any

SAMPLES = 3
NOW = 1_767_448_800.0  # seconds since 1970, shortly after all samples
OWN = "your_field"  # stands for any field that the spec does not name


def sample(call: str, number: int, name: str = "") -> dict[str, Any]:
    """A call of this type; `number`, below SAMPLES, makes every value another one. `name` is that of a track call."""
    s, n = "abc"[number], number
    ids = {"messageId": f"{n}0000000-0000-4000-8000-00000000000{n}", "userId": f"user-{s}", "anonymousId": f"anon-{s}"}
    hours = enumerate(("timestamp", "originalTimestamp", "sentAt", "receivedAt"), 10)
    times = {key: f"2026-01-03T{hour}:0{n}:00.00{n}Z" for hour, key in hours}
    body: dict[str, Any] = {"type": call, **ids, **times, "profileId": f"p_{n}", "context": _context(s, n)}
    match call:
        case "identify":
            body["traits"] = _person(s, n)
        case "group":
            body |= {"groupId": f"group-{s}", "traits": _company(s, n)}
        case "alias":
            body["previousId"] = f"before-{s}"
        case "track":
            own = {OWN: f"own property {s}", "value": 20.25 + n, "currency": ("EUR", "GBP", "USD")[n]}
            body |= {"event": name or f"Event {s}", "properties": _order(s, n) if name else own}
        case _:
            body |= {"name": f"Name {s}", "category": f"Category {s}", "properties": _page(s, n) | {OWN: f"own {s}"}}
    return body


def _person(s: str, n: int) -> dict[str, Any]:
    return {
        OWN: f"own trait {s}", "email": f"Ada.{s}@gmail.com", "phone": f"+44163296000{n}", "age": 31 + n,
        "firstName": f"First{s}", "lastName": f"Last{s}", "name": f"Full{s} Name{s}", "username": f"user.name.{s}",
        "title": f"Title {s}", "birthday": f"199{n}-0{n + 1}-11", "gender": ("female", "male", "female")[n],
        "avatar": f"https://{s}.example/avatar.png", "website": f"https://{s}.example/", "description": f"About {s}",
        "createdAt": f"2025-0{n + 1}-01T00:00:00.000Z",
        "address": {
            "street": f"{n} Street {s}", "city": f"City{s}", "state": f"State{s}", "postalCode": f"N{n} 1AA",
            "country": ("GB", "DE", "FR")[n],
        },
        "company": {"name": f"Company {s}", "id": f"company-{s}"},
    }  # fmt: skip


def _company(s: str, n: int) -> dict[str, Any]:
    return {
        OWN: f"own group trait {s}", "name": f"Group {s}", "industry": f"Industry {s}", "employees": 300 + n,
        "plan": f"Plan {s}", "website": f"https://group-{s}.example/", "createdAt": f"2024-0{n + 1}-01T00:00:00.000Z",
    }  # fmt: skip


def _page(s: str, n: int) -> dict[str, Any]:
    return {
        "url": f"https://shop.example/{s}?page={n}", "path": f"/{s}", "title": f"Title of {s}", "search": f"?page={n}",
        "referrer": f"https://referrer-{s}.example/",
    }  # fmt: skip


def _order(s: str, n: int) -> dict[str, Any]:
    products = [
        {
            "product_id": f"product-{s}{place}", "sku": f"sku-{s}{place}", "name": f"Product {s}{place}",
            "brand": f"Brand {s}{place}", "category": f"Kind {s}{place}", "variant": f"Variant {s}{place}",
            "price": 3.25 + n + place, "quantity": 2 + n + 4 * place,
        }
        for place in range(2)
    ]  # fmt: skip
    return {
        OWN: f"own order property {s}", "order_id": f"order-{s}", "total": 90.5 + n, "revenue": 80.5 + n,
        "tax": 7.5 + n, "shipping": 5.75 + n, "discount": 1.125 + n, "coupon": f"coupon-{s}",
        "currency": ("EUR", "GBP", "USD")[n], "affiliation": f"Shop {s}", "products": products,
    }  # fmt: skip


def _context(s: str, n: int) -> dict[str, Any]:
    return {
        "ip": f"192.0.2.{n + 1}", "userAgent": f"Mozilla/5.0 (X11; {s})", "locale": ("en-GB", "de-DE", "fr-FR")[n],
        "timezone": ("Europe/London", "Europe/Berlin", "Europe/Paris")[n],
        "page": _page(f"context-{s}", n + 5),
        "campaign": {key: f"campaign {key} {s}" for key in ("name", "source", "medium", "term", "content")},
        "library": {"name": f"library-{s}", "version": f"1.{n}.0"}, "app": {"name": f"App {s}", "version": f"2.{n}.0"},
        "os": {"name": ("iOS", "Android", "iPadOS")[n], "version": f"1{n}.0"},
        "device": {
            "id": f"device-{s}", "manufacturer": f"Maker {s}", "model": f"Model {s}",
            "type": ("ios", "android", "ios")[n],
        },
        "screen": {"width": 1000 + n, "height": 700 + n}, "network": {"carrier": f"Carrier {s}"},
        "traits": {"email": f"Bob.{s}@gmail.com", "phone": f"+44163296010{n}"},
    }  # fmt: skip
