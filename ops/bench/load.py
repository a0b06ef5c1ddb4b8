"""The honest load of the benches: shop events of about 750 bytes, one a message, keyed by device.

One event in ten brings a new identity link, one in twenty is a repeat, one in fifty violates the plan.
"""

from __future__ import annotations

import argparse
import random
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from confluent_kafka import Producer

LINKS = 10
REPEATS = 20
VIOLATIONS = 50
FOUR = {"total": "much", "currency": 978, "note": "not planned", "voucher": "not planned"}  # violations of an event
_AGENT = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
)


def events(count: int, seed: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each event."""
    chance = random.Random(seed)
    devices = [_device(chance) for _ in range(1000)]
    before: tuple[bytes, bytes] | None = None
    for number in range(count):
        if before is not None and number % REPEATS == 7:
            yield before
            continue
        at = chance.randrange(len(devices))
        if number % LINKS == 3:
            devices[at] = _device(chance)  # a new device logs in: its first event links it
        event = _event(number, *devices[at], chance)
        before = devices[at][0].encode(), orjson.dumps(event)
        yield before


def _device(chance: random.Random) -> tuple[str, str]:
    return str(uuid.UUID(int=chance.getrandbits(128))), f"user-{chance.getrandbits(40)}"


def _event(number: int, device: str, user: str, chance: random.Random) -> dict[str, Any]:
    total: Any = round(chance.uniform(1, 300), 2)
    return {
        "type": "track",
        "event": "Order Completed",
        "messageId": str(uuid.UUID(int=chance.getrandbits(128))),
        "anonymousId": device,
        "userId": user,
        "timestamp": "2026-01-01T00:00:00.000Z",
        "context": {
            "ip": "203.0.113.7",
            "library": {"name": "analytics.js", "version": "4.1.0"},
            "locale": "en-GB",
            "page": {"path": "/checkout", "title": "Checkout", "url": "https://shop.example.com/checkout?step=3"},
            "userAgent": _AGENT,
        },
        "properties": {
            "order_id": f"o-{number}",
            "total": "much" if number % VIOLATIONS == 11 else total,
            "currency": "EUR",
            "products": [
                {"product_id": f"p-{chance.randrange(1000)}", "name": "Wool socks", "price": 9.5, "quantity": 2},
                {"product_id": f"p-{chance.randrange(1000)}", "name": "Tea pot", "price": 24.9, "quantity": 1},
            ],
        },
    }


def changed(value: bytes, properties: Mapping[str, Any]) -> bytes:
    """An event with these properties beside its own, and no violation of its own."""
    event = orjson.loads(value)
    event["properties"] |= {"total": 9.5, **properties}
    return orjson.dumps(event)


def send(bootstrap: str, topic: str, count: int, seed: int = 1, *, broken: bool = False) -> int:
    """Produce the load; returns its bytes once all is acknowledged. `broken`: each event has FOUR violations."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    size = 0
    for key, value in events(count, seed):
        value = changed(value, FOUR) if broken else value
        size += len(value)
        produce(producer, topic, value, key=key)
    if producer.flush(120):
        raise SystemExit("the broker did not take the load")
    return size


def produce(producer: Producer, topic: str, value: bytes, **more: object) -> None:
    """A message, as soon as the client has room for it; `more` is what its `produce` takes."""
    while True:
        try:
            producer.produce(topic, value, **more)  # type: ignore[arg-type]
            return
        except BufferError:
            producer.poll(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("count", type=int)
    arguments = parser.parse_args()
    size = send(arguments.bootstrap, arguments.topic, arguments.count)
    print(f"{arguments.count} events, {size / arguments.count:.0f} bytes each")


if __name__ == "__main__":
    main()
