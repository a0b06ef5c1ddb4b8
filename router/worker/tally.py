"""What a batch adds up to, for every engine: changelog values and metrics."""

from __future__ import annotations

from collections.abc import Sequence

from router import metrics
from router.agents.batch import Batch
from router.agents.table import ROUTE_TOTALS
from router.dedupe.changelog import pack
from router.worker.partition import RoutePartition


def changelog_of(batch: Batch, lanes: Sequence[RoutePartition]) -> dict[int, bytes]:
    """Fresh keys, packed into one changelog value for each partition."""
    rows: dict[int, list[tuple[bytes, int]]] = {}
    for key, (at, lane) in batch.fresh.items():
        rows.setdefault(lanes[lane].number, []).append((key, at))
    return {partition: pack(pairs) for partition, pairs in rows.items()}


def show(lane: RoutePartition) -> None:
    """Export a lane's totals, as committed."""
    labels = (lane.topic, str(lane.number))
    totals = lane.totals
    ROUTE_TOTALS.show(labels, {f"router_events_{name}": count for name, count in totals.counts.items()})
    for destination, count in totals.routed.items():
        metrics.ROUTED_TOTALS.show((destination, *labels), {"router_events_routed": count})


def hide(lane: RoutePartition) -> None:
    """The lane is no longer this process's."""
    labels = (lane.topic, str(lane.number))
    ROUTE_TOTALS.hide(labels)
    for destination in lane.totals.routed:
        metrics.ROUTED_TOTALS.hide((destination, *labels))
    metrics.ROUTE_LAG.remove(*labels)


def count(batch: Batch) -> None:
    """Count what has no total that rides with offsets."""
    for (metric, labels), number in batch.counts.items():
        metric.labels(*labels).inc(number)
