"""Of the same violation ten records a second, then one a batch with the number: nothing is left out of the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from router.agents import violation_reports
from router.agents.dedupe import Dedupe
from router.agents.emit import Emit
from router.agents.identify import Identify
from router.agents.pipeline import Pipeline
from router.agents.route import Route
from router.agents.validate import Validate
from router.agents.verdict import Enforcement
from router.config.models import Enforce
from router.dedupe.window_memory import MemoryWindow
from router.events.topics import Topics
from router.identity import IdentityRules
from router.metrics import VIOLATIONS
from router.plan import Plan, compile_plan
from router.plan.model import Rule
from tests.agents.messages import AT, decode, message, track
from tests.identity.replicas import memory_replica

TOPICS = Topics("shop")
LANES = {("events.raw", 0): 0}
TOTAL = {"properties": {"total": {"type": "number"}}}
PLAN = compile_plan(Plan("shop", (Rule("track", "Order Completed", schemas={"properties": TOTAL}),)))


class Worker:
    """The agents with a clock that stands still."""

    def __init__(self, enforce: Enforce | None = None) -> None:
        self.now = 1000.9
        self.counted: Counter[str] = Counter()
        replica = memory_replica()

        def append(record: bytes) -> None:
            replica.apply_record(replica.position(), AT, record)

        rules = {name: Enforcement(PLAN, enforce or Enforce()) for name in ("web", "app")}
        self._pipeline = Pipeline(
            [
                decode(TOPICS, *rules, source_of_key={"app": "app"}),
                Dedupe(MemoryWindow(TOPICS.window_ms), TOPICS.window_ms),
                Validate(TOPICS, rules, clock=lambda: self.now),
                Identify(replica, append, IdentityRules()),
                Route([], TOPICS.destination, (TOPICS.resolved,)),
                Emit(),
            ]
        )

    def batch(self, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The records of violations that a batch leads to."""
        made = self._pipeline.run([message(body) for body in bodies], LANES)
        for (metric, labels), number in made.counts.items():
            if metric is VIOLATIONS:
                self.counted[labels[1]] += number
        return [orjson.loads(value) for topic, value, *_ in made.records if topic == TOPICS.violations]


def orders(first: int, count: int, **properties: Any) -> list[dict[str, Any]]:
    return [track(f"m{number}", properties=properties) for number in range(first, first + count)]


def test_ten_of_a_second_stand_alone_and_the_rest_of_a_batch_is_a_number() -> None:
    worker = Worker()

    found = worker.batch(orders(0, 1000, total="x"))

    assert [record["count"] for record in found] == [1] * 10 + [990]
    assert [record["messageId"] for record in found] == [f"m{number}" for number in range(11)]
    assert found[10] == found[9] | {"messageId": "m10", "count": 990}
    assert worker.counted == {"violation": 1000}


def test_the_next_batch_of_the_second_goes_on_and_the_next_second_begins_anew() -> None:
    worker = Worker()

    assert [record["count"] for record in worker.batch(orders(0, 7, total="x"))] == [1] * 7
    assert [record["count"] for record in worker.batch(orders(7, 7, total="x"))] == [1, 1, 1, 4]
    assert [record["count"] for record in worker.batch(orders(14, 1, total="x"))] == [1]
    assert [record["count"] for record in worker.batch(orders(15, 50, total="x"))] == [50]
    worker.now += 0.2
    assert [record["count"] for record in worker.batch(orders(65, 12, total="x"))] == [1] * 10 + [2]
    assert worker.counted == {"violation": 77}


def test_what_differs_in_source_place_or_outcome_is_counted_apart() -> None:
    worker = Worker(Enforce(unplanned_property="block"))
    of_app = [{**body, "writeKey": "app"} for body in orders(100, 20, total="x")]

    found = worker.batch([*orders(0, 20, total="x"), *of_app, *orders(200, 20, total="x", more=1)])

    sums: Counter[tuple[str, str, str]] = Counter()
    for record in found:
        sums[record["source"], record["path"], record["outcome"]] += record["count"]
    assert sums == {
        ("web", "/properties/total", "allowed"): 20, ("app", "/properties/total", "allowed"): 20,
        ("web", "/properties/total", "blocked"): 20, ("web", "/properties/more", "blocked"): 20,
    }  # fmt: skip
    assert len(found) == 4 * 11
    assert worker.counted == {"violation": 60, "unplanned_property": 20}


def test_kinds_beyond_those_remembered_are_counted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(violation_reports, "MOST_KINDS", 2)
    worker = Worker()
    bodies = [body for name in "abcd" for body in orders(ord(name) * 100, 3, **{name: 1})]

    found = worker.batch(bodies)

    assert sorted((record["path"][-1], record["count"]) for record in found) == [
        *[("a", 1)] * 3, *[("b", 1)] * 3, ("c", 3), ("d", 3),
    ]  # fmt: skip
