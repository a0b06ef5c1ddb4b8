"""What filters cost: microseconds to compile a query, and to ask one, ten and a hundred of them about an event.

Run: python -m ops.bench.fql [--rounds N]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from router.fql import Query, compile_query

# None of them holds for EVENT, so that in a list of filters every one is asked.
QUERIES = {
    "event name": 'event = "Product Viewed"',
    "number": "properties.total < 1",
    "two conditions": 'type = "track" and context.library.name = "ios"',
    "one of three": 'event in ["Product Viewed", "Product Added", "Cart Viewed"]',
    "function": 'contains(lowercase(context.traits.email), "@test.")',
    "pattern": 'match(event, "*[Dd]ebug *")',
    "source": 'source = "ios" or source = "android"',
    "five conditions": (
        'type = "track" and event = "Order Completed" and properties.total >= 5 and context.traits.vip '
        'and !match(context.page.url, "https://*/checkout/*")'
    ),
    "length": "length(properties.products) > 20",
    "type": 'typeof(properties.total) = "string"',
}
EVENT: dict[str, Any] = {
    "type": "track", "event": "Order Completed", "userId": "u-1", "messageId": "m-1",
    "context": {
        "library": {"name": "analytics.js"}, "page": {"url": "https://shop.example/checkout/thanks"},
        "traits": {"email": "ann@example.com", "vip": True},
    },
    "properties": {"order_id": "o-1", "total": 99.5, "products": [{"product_id": str(n)} for n in range(5)]},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20_000)
    rounds = parser.parse_args().rounds
    began = time.perf_counter()
    compile_query("a")
    print(f"{'the first query, with the import of its parser':<50} {(time.perf_counter() - began) * 1e3:9.1f} ms")
    for name, text in QUERIES.items():
        query = compile_query(text)
        if query.evaluate(EVENT, "web") is not False:
            raise AssertionError(f"{text}: expected no match")
        compiling = microseconds(lambda text=text: compile_query.__wrapped__(text), max(1, rounds // 100))  # type: ignore[misc]
        asking = microseconds(lambda query=query: query.evaluate(EVENT, "web"), rounds)  # type: ignore[misc]
        print(f"{name:<50} {asking:9.2f} us an event, {compiling:7.0f} us to compile")
    for count in (1, 10, 100):
        queries = [compile_query(text) for text in islice(cycle(QUERIES.values()), count)]
        taken = microseconds(lambda queries=queries: ask(queries), max(1, rounds // count))  # type: ignore[misc]
        print(f"{f'{count} filters':<50} {taken:9.2f} us an event")


def ask(queries: list[Query]) -> None:
    """As a destination's filters are asked: all of them, since none holds."""
    for query in queries:
        query.evaluate(EVENT, "web")


def microseconds(work: Callable[[], object], rounds: int) -> float:
    """The best of five runs: what else the machine does only ever adds."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(rounds):
            work()
        best = min(best, time.perf_counter() - began)
    return best / rounds * 1e6


if __name__ == "__main__":
    main()
