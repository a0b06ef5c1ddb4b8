"""A shop's traffic: visitors who browse, sign up and buy, on a phone and on the web, and all that goes wrong with it.

Pure and endless; everything but the ids' prefix follows from the seed. Each parcel says how many of its events must end
as invalid, blocked or duplicate, by `topologies/shop.yaml`: what the router counts is held against that.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson

Channel = Literal["web", "app", "orders"]  # web: the Segment SDK over HTTP; app and orders: Kafka producers
Event = dict[str, Any]
REPEATS, MALFORMED, SKEWED = 0.03, 0.012, 0.03
PRODUCTS = [
    {"product_id": f"p-{number}", "name": name, "price": price, "category": category}
    for number, (name, price, category) in enumerate(
        [
            ("Wool hat", 24.5, "Hats"), ("Straw hat", 31.0, "Hats"), ("Rain coat", 119.0, "Coats"),
            ("Wool coat", 240.0, "Coats"), ("Linen shirt", 59.9, "Shirts"), ("Work shirt", 44.9, "Shirts"),
            ("Hiking boots", 149.0, "Shoes"), ("Sandals", 39.0, "Shoes"), ("Scarf", 19.9, "Hats"),
        ],
        start=1,
    )
]  # fmt: skip
MALFORMED_VALUES = (
    b'{"type": "track", "event": "Product Viewed", "anonymousId": "%s"',
    b"type=track&event=Product+Viewed&anonymousId=%s",
    b'{"type": "track", "event": "Product Viewed", "properties": {"product_id": "%s"}}',
    b'{"type": "trakc", "event": "Product Viewed", "anonymousId": "%s"}',
    b'{"type": "track", "event": "Product Viewed", "anonymousId": "%s", "properties": {"price": NaN}}',
    b'\xff\xfe{"anonymousId": "%s"}',
)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent in one go: one event by the SDK, or one Kafka message (`value`, `key`) with `count` events."""

    channel: Channel
    count: int
    event: Event | None = None
    value: bytes = b""
    key: bytes | None = None
    invalid: int = 0
    blocked: int = 0
    duplicates: int = 0

    def again(self) -> Parcel:
        """The same once more, as a retry sends it: what was good or blocked is a repeat, what was no event is none."""
        return replace(self, blocked=0, duplicates=self.count - self.invalid)


class Visitor:
    """One browser or phone. `steps` are its events to come; from `known` on it carries the customer's id."""

    def __init__(self, shop: Shop, channel: Channel, customer: str) -> None:
        self.shop = shop
        self.channel = channel
        self.anonymous = shop.name("anon")
        self.customer = customer
        self.known = False
        self.cart: list[Event] = []
        self.steps = self._visit()

    def _visit(self) -> Iterator[Event]:
        chance, shop = self.shop.chance, self.shop
        yield self._event(
            "page", name="Home", properties={"path": "/", "title": "Shop", "url": "https://shop.example/"}
        )
        for _ in range(chance.randint(1, 4)):
            yield self._track("Product Viewed", chance.choice(PRODUCTS) | {"currency": "EUR"})
        for _ in range(chance.randint(0, 2)):
            item = chance.choice(PRODUCTS) | {"quantity": chance.randint(1, 3)}
            self.cart.append(item)
            yield self._track("Product Added", item)
        if not self.cart:
            return
        yield self._track("Cart Viewed", {"products": self.cart})
        returning = self.customer in shop.customers
        self.known = True
        yield self._event(
            "identify", traits={"email": f"{self.customer}@example.com", "firstName": "Ada", "plan": "free"}
        )
        if not returning:
            shop.customers.append(self.customer)
            yield self._track("Signed Up", {"type": chance.choice(["organic", "invited", "campaign"])})
        if chance.random() < 0.7:
            yield self._track("Order Completed", self._order())

    def _order(self) -> Event:
        total = round(sum(item["price"] * item["quantity"] for item in self.cart), 2)
        return {"order_id": self.shop.name("o"), "total": total, "currency": "EUR", "products": self.cart}

    def _track(self, event: str, properties: Event) -> Event:
        return self._event("track", event=event, properties=properties)

    def _event(self, kind: str, **fields: Any) -> Event:
        ids = {"anonymousId": self.anonymous} | ({"userId": self.customer} if self.known else {})
        return {"type": kind, "messageId": self.shop.name("m"), "timestamp": self.shop.now().isoformat()} | ids | fields


class Shop:
    """`prefix` begins every id, so that runs on one Kafka are told apart."""

    def __init__(
        self, prefix: str, *, seed: int = 7, visitors: int = 40, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.prefix = prefix
        self.chance = random.Random(seed)
        self.now = now
        self.customers: list[str] = []
        self._names = 0
        self._orders = 0
        self._sent: deque[Parcel] = deque(maxlen=200)
        self._visitors = [self._arrival() for _ in range(visitors)]

    def name(self, kind: str) -> str:
        """A new id of this run."""
        self._names += 1
        return f"{self.prefix}-{kind}{self._names}"

    def parcels(self) -> Iterator[Parcel]:
        """Without end."""
        while True:
            draw = self.chance.random()
            if draw < REPEATS and self._sent:
                yield self._sent[self.chance.randrange(len(self._sent))].again()
            elif draw < REPEATS + MALFORMED:
                yield self._malformed()
            else:
                parcel = self._next()
                self._sent.append(parcel)
                yield parcel

    def _next(self) -> Parcel:
        place = self.chance.randrange(len(self._visitors))
        visitor = self._visitors[place]
        event = next(visitor.steps, None)
        if event is None:
            visitor = self._visitors[place] = self._arrival()
            event = next(visitor.steps)
        if event.get("event") == "Order Completed" and self.chance.random() < 0.5:
            return self._by_order_system(event)
        event, blocked = self._mishap(visitor.channel, event)
        if visitor.channel == "web":
            return Parcel("web", 1, event=event, blocked=blocked)
        return self._by_app(visitor, event)

    def _arrival(self) -> Visitor:
        """A new browser or phone; every third one is of a customer who is known already, from another device."""
        channel: Channel = "app" if self.chance.random() < 0.4 else "web"
        if self.customers and self.chance.random() < 0.35:
            return Visitor(self, channel, self.chance.choice(self.customers))
        return Visitor(self, channel, self.name("u"))

    def _mishap(self, channel: Channel, event: Event) -> tuple[Event, int]:
        """The event, now and then with a mistake against the plan; and whether the plan blocks it."""
        draw = self.chance.random()
        if event["type"] != "track" or draw > 0.06:
            return event, 0
        if draw < 0.02:  # a name that the plan does not know
            return event | {"event": event["event"].lower()}, int(channel == "web")
        properties = event["properties"]
        if draw < 0.04 and "price" in properties:  # a number as text
            return event | {"properties": properties | {"price": str(properties["price"])}}, int(channel == "web")
        return event | {"properties": properties | {"colour": "red"}}, 0  # not planned: taken out, and it passes

    def _by_order_system(self, event: Event) -> Parcel:
        """It knows customers, not browsers. Its tenth order is one that the CRM's own rules refuse."""
        self._orders += 1
        del event["anonymousId"]
        if self._orders == 10:
            event |= {"context": {"demo": {"poison": True}}}
        return Parcel("orders", 1, value=orjson.dumps(event), key=event["userId"].encode())

    def _by_app(self, visitor: Visitor, event: Event) -> Parcel:
        """A phone sends what it has gathered: one event, several in lines, or a batch body; its clock may be wrong."""
        events = [event]
        while self.chance.random() < 0.5 and (more := next(visitor.steps, None)) is not None:
            events.append(more)
        skew = timedelta(hours=1) if self.chance.random() < SKEWED else timedelta()
        for one in events:
            one["timestamp"] = (datetime.fromisoformat(one["timestamp"]) + skew).isoformat()
        sent = (self.now() + skew).isoformat()
        key = None if self.chance.random() < 0.1 else visitor.anonymous.encode()  # forgot the key: it is put right
        if self.chance.random() < 0.3:
            return Parcel("app", len(events), value=orjson.dumps({"batch": events, "sentAt": sent}), key=key)
        lines = [orjson.dumps(one | {"sentAt": sent}) for one in events]
        invalid = 0
        if len(lines) > 1 and self.chance.random() < 0.1:  # a bad line takes no neighbour with it
            lines.insert(1, b'{"type": "track", "event": ')
            invalid = 1
        return Parcel("app", len(lines), value=b"\n".join(lines), key=key, invalid=invalid)

    def _malformed(self) -> Parcel:
        value = self.chance.choice(MALFORMED_VALUES) % self.name("bad").encode()
        return Parcel("app", 1, value=value, key=self.name("key").encode(), invalid=1)
