"""What the tracking plan costs: microseconds an event on the hot path, seconds until a plan of 1,000 events is ready.

Run: python ops/bench/validate.py [--rounds N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from router.agents.verdict import Enforcement
from router.config.models import Enforce
from router.plan import CompiledPlan, compile_plan, load_plan

ITEM = """$defs:
  item:
    type: object
    required: [product_id]
    properties:
      product_id: {type: string}
      sku: {type: string}
      name: {type: string}
      price: {type: number, minimum: 0}
      quantity: {type: integer, minimum: 1}
      url: {type: string, format: uri}
"""
COMMON = """context:
  type: object
  properties:
    ip: {type: string}
    locale: {type: string, pattern: "^[a-z]{2}(-[A-Z]{2})?$"}
"""
EVENT = """type: track
event: %s
description: The customer paid for an order
why: Revenue by channel
owner: growth
labels: {team: growth, priority: high}
properties:
  type: object
  required: [order_id, total]
  properties:
    order_id: {type: string, description: The number of the order}
    total: {type: number, minimum: 0, description: What was paid}
    revenue: {type: number, description: Money without shipping and tax}
    currency: {type: string, pattern: "^[A-Z]{3}$", description: ISO 4217}
    coupon: {type: string, description: Code that was redeemed}
    tax: {type: number, description: Tax}
    shipping: {type: number, description: Shipping}
    affiliation: {type: string, description: Store}
    products:
      type: array
      description: What was bought
      items: {$ref: "../defs/product.yaml#/$defs/item"}
examples:
  valid:
    - {order_id: "1", total: 9.5, currency: EUR}
  invalid:
    - {value: {order_id: "1", total: x}, fails: [/total]}
"""


def write(folder: Path, events: int) -> None:
    (folder / "events").mkdir()
    (folder / "defs").mkdir()
    (folder / "plan.yaml").write_text("name: bench\n")
    (folder / "common.yaml").write_text(COMMON)
    (folder / "defs/product.yaml").write_text(ITEM)
    for number in range(events):
        name = "Order Completed" if number == 0 else f"Order Completed {number}"
        (folder / f"events/order-{number}.yaml").write_text(EVENT % name)


def event() -> dict[str, Any]:
    products = [
        {
            "product_id": f"p-{n}",
            "sku": f"s-{n}",
            "name": "Shirt",
            "price": 19.9,
            "quantity": 2,
            "url": "https://shop.example/p",
        }
        for n in range(2)
    ]
    return {
        "type": "track",
        "event": "Order Completed",
        "messageId": "0190b5c6-7f0f-7a86-b4e2-9f4d7d1f9a10",
        "anonymousId": "3f1c7f6e-57f9-4d2e-8a3c-4f2f3a1d9b11",
        "properties": {"order_id": "1000-A", "total": 59.9, "currency": "EUR", "products": products},
        "context": {"ip": "203.0.113.7", "locale": "en-US", "library": {"name": "analytics.js", "version": "2.1"}},
        "timestamp": "2026-01-01T00:00:00.000Z",
        "originalTimestamp": "2026-01-01T00:00:00.000Z",
        "receivedAt": "2026-01-01T00:00:00.123Z",
    }


def measure(call: Callable[[], object], rounds: int) -> float:
    """Microseconds a call: the median of nine runs."""
    times = []
    for _ in range(9):
        start = time.perf_counter()
        for _ in range(rounds):
            call()
        times.append((time.perf_counter() - start) / rounds * 1e6)
    return sorted(times)[4]


def load(folder: Path) -> tuple[CompiledPlan, str]:
    """The plan, all rules compiled, and the seconds that it took until the first event could come."""
    clock, processor = time.perf_counter(), time.process_time()
    compiled = compile_plan(load_plan(folder))
    ready = f"ready in {time.perf_counter() - clock:.2f} s ({time.process_time() - processor:.2f} s of processor)"
    processor = time.process_time()
    compiled.prepare()
    return compiled, f"{ready}, all rules compiled in {time.process_time() - processor:.2f} s of processor"


def report(events: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), events)
        compiled, taken = load(Path(name))
    rules = Enforcement(compiled, Enforce())
    good, bad, unplanned = event(), event(), event()
    bad["properties"]["total"] = "x"
    unplanned["event"] = "Unplanned"
    print(f"{events} planned events: {taken}")
    size = len(orjson.dumps(good))
    print(f"  conforming event of {size} bytes: {measure(lambda: rules.check(good), rounds):.2f} µs")
    print(f"  one violation: {measure(lambda: rules.check(bad), rounds // 10):.1f} µs")
    print(f"  unplanned event: {measure(lambda: rules.check(unplanned), rounds // 10):.1f} µs")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=20_000)
    rounds = arguments.parse_args().rounds
    for events in (10, 1000):
        report(events, rounds)


if __name__ == "__main__":
    main()
