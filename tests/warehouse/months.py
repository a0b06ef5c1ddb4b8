"""Six months of a shop, made up from a seed, and what is true of them."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from router.warehouse.load import LoadEvent

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 181
CAMPAIGNS = {"spring": "email", "retarget": "display", "brand": "search", "": "direct"}  # and their channels
PRODUCTS = {"socks": 9.5, "teapot": 24.9, "mug": 12}  # one price is a whole number


@dataclass
class Months:
    """`events` in the order in which they arrive: some late, some twice. Amounts are cents in the truth."""

    events: list[LoadEvent] = field(default_factory=list)
    spent: Counter[str] = field(default_factory=Counter)  # by user
    orders: Counter[str] = field(default_factory=Counter)  # by user
    first: dict[str, datetime] = field(default_factory=dict)  # order, by user
    journeys: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # titles of pages, by user
    revenue: Counter[str] = field(default_factory=Counter)  # by campaign
    visits: Counter[str] = field(default_factory=Counter)  # by campaign
    plans: dict[str, str] = field(default_factory=dict)  # by user, the last one


def months(people: int, seed: int = 1) -> Months:
    made, rng = Months(), random.Random(seed)
    timed: list[tuple[datetime, LoadEvent]] = []
    for number in range(people):
        timed += _person(f"u{number}", made, rng)
    arrivals = sorted(timed, key=lambda one: one[0] + timedelta(hours=rng.choice([0, 0, 0, 0, 30])))
    for _, event in arrivals:
        made.events.append(event)
        if rng.random() < 0.05:
            made.events.insert(rng.randrange(len(made.events)), event)  # a repeat, sometimes days apart
    return made


def _person(user: str, made: Months, rng: random.Random) -> Iterator[tuple[datetime, LoadEvent]]:
    """Visits from one or two devices; who buys has logged in."""
    devices = [f"{user}-{letter}" for letter in "ab"[: rng.choice([1, 1, 2])]]
    days = sorted(rng.sample(range(DAYS), rng.randint(1, 6)))
    for visit, day in enumerate(days):
        at = BEGIN + timedelta(days=day, seconds=rng.randrange(80_000))
        device, campaign = rng.choice(devices), rng.choice(list(CAMPAIGNS))
        made.visits[campaign] += 1
        context: dict[str, Any] = {"locale": "de-DE"}
        if campaign:
            context["campaign"] = {"name": campaign, "source": CAMPAIGNS[campaign], "medium": "x"}
        for title in rng.sample(["Home", "Sale", "About"], rng.randint(1, 3)):
            at += timedelta(seconds=20)
            made.journeys[user].append(title)
            yield at, _event("page", at, user, device, None, context, name=title, properties={"title": title})
        yield from _login(user, device, visit, at, context, made, rng)
        if rng.random() < 0.6:
            yield _order(user, device, at + timedelta(seconds=60), campaign, context, made, rng)


def _login(
    user: str, device: str, visit: int, at: datetime, context: dict[str, Any], made: Months, rng: random.Random
) -> Iterator[tuple[datetime, LoadEvent]]:
    plan = rng.choice(["free", "pro", "team"])
    made.plans[user] = plan
    at += timedelta(seconds=30)
    traits = {"email": f"{user}@example.com", "plan": plan} | ({"since": "2026-01-01"} if visit == 0 else {})
    yield at, _event("identify", at, user, device, user, context, traits=traits)


def _order(
    user: str, device: str, at: datetime, campaign: str, context: dict[str, Any], made: Months, rng: random.Random
) -> tuple[datetime, LoadEvent]:
    chosen = rng.choices(list(PRODUCTS), k=rng.randint(1, 3))
    cents = sum(round(PRODUCTS[name] * 100) for name in chosen)
    made.spent[user] += cents
    made.orders[user] += 1
    made.first.setdefault(user, at)
    made.revenue[campaign] += cents
    total = cents / 100 if cents % 100 else cents // 100
    content = {"orderId": f"o-{user}-{made.orders[user]}", "total": total, "products": [{"name": n} for n in chosen]}
    return at, _event("track", at, user, device, user, context, event="Order Completed", properties=content)


def _event(
    kind: str, at: datetime, user: str, device: str, known: str | None, context: dict[str, Any], **fields: Any
) -> LoadEvent:
    text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {
        "type": kind, "messageId": f"{kind}-{device}-{int(at.timestamp())}", "anonymousId": device, "userId": known,
        "timestamp": text, "receivedAt": text, "context": context,
    } | fields  # fmt: skip
    return LoadEvent("web", body, "", f"profile-{user}")
