"""A metrics page with much on it: 20 sources, 20 destinations, 12 partitions. Prints its bytes by family."""

from __future__ import annotations

import json
from collections import Counter

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics import MetricWrapperBase

from router import metrics
from router.agents.agent import Agent
from router.agents.pipeline import AGENTS
from router.agents.table import ROUTE_TOTALS
from router.delivery.destination import RETRY_AGES
from router.history.pull_steps import OUTCOMES
from router.metrics import REGISTRY
from router.process.merge import merged

SOURCES = [f"web-{number:02}" for number in range(20)]
DESTINATIONS = [f"crm-{number:02}" for number in range(20)]
CODES = ["200", "400", "429", "503"]
STATUSES = [("batch", "200"), ("track", "200"), ("track", "400"), ("identify", "200"), ("track", "401")]


def fill() -> None:
    for topic in ("events.raw", "orders.events"):
        for partition in map(str, range(12)):
            ROUTE_TOTALS.show((topic, partition), {family.name: 123_456_789 for family in ROUTE_TOTALS.describe()})
            metrics.ROUTE_LAG.labels(topic, partition).set(1)
            metrics.ROUTE_OLDEST.labels(topic, partition).set(1)
    for destination in DESTINATIONS:
        for partition in map(str, range(12)):
            metrics.ROUTED_TOTALS.show((destination, "events.raw", partition), {"router_events_routed": 123_456_789})
            delivered = {"router_delivery_delivered": 123_456_789, "router_delivery_dead": 0}
            metrics.DELIVERY_TOTALS.show((destination, partition), delivered)
        for code in CODES:
            metrics.ATTEMPTS.labels(destination, code).inc()
        for code in CODES[2:]:
            metrics.RETRIES.labels(destination, code).inc()
        metrics.DISCARDED.labels(destination, "400").inc()
        for reason in ("type", "event", "filter"):
            metrics.FILTERED.labels(destination, reason).inc()
        for age in RETRY_AGES:
            metrics.RETRY_LANE_OLDER.labels(destination, age).set(1)
        metrics.DELIVERY_TARGET.labels(destination).set(0.999)
        for stage in ("route", "attempt", "accept"):
            metrics.STAGE_SECONDS.labels(destination, stage).observe(0.2)
        for collector in [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]:
            if collector._labelnames == ("destination",) and not collector._name.startswith("router_warehouse"):
                collector.labels(destination)
    for source in SOURCES:
        metrics.SOURCE_RESOLVED.labels(source).inc()
        metrics.VOLUME_BAND.labels(source).set(0.25)
        metrics.SOURCE_LAST.labels(source).set_to_current_time()
        metrics.PLAN_INFO.labels(source, "0123456789ab").set(1)
        metrics.GATEWAY_EVENTS.labels(source, "accepted").inc()
        for klass in ("unplanned_event", "unplanned_property", "violation"):
            metrics.VIOLATIONS.labels(source, klass).inc()
        for agent in [one for one in AGENTS if issubclass(one, Agent) and one.ending is not None and one.reasons]:
            metrics.STOPPED.labels(agent.name, source, next(iter(agent.reasons))).inc()
    for source in SOURCES[:1]:
        for outcome in OUTCOMES[:4]:
            metrics.PULL_ROWS.labels(source, outcome).inc(123_456_789)
        metrics.PULLS.labels(source, "complete").inc()
        metrics.PULL_LAST.labels(source).set_to_current_time()
        metrics.PULL_EVERY.labels(source).set(3600)
    for endpoint, status in STATUSES:
        metrics.GATEWAY_REQUESTS.labels(endpoint, status).inc()


class Page:
    """What `router up` shows of processes that have done it all."""

    def collect(self) -> object:
        return merged({"route": REGISTRY.collect()})


if __name__ == "__main__":
    fill()
    sizes: Counter[str] = Counter()
    for line in generate_latest(Page()).splitlines():  # type: ignore[arg-type]
        name = line.split(b"{")[0].split(b" ")[-1 if line.startswith(b"#") else 0].decode() if line else ""
        sizes[name] += len(line) + 1
    print(json.dumps({"total": sizes.total(), "largest": dict(sizes.most_common(8))}))
