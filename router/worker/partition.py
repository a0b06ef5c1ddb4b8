"""An owned partition of a route worker: where it stands, its cumulative counts, and what a batch adds to it.

The counts ride with the committed offset, so they are exact across kill -9, and are exported once committed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from router import metrics
from router.agents.batch import Batch
from router.agents.table import ROUTE_TOTALS
from router.agents.totals import Totals
from router.dedupe.changelog import pack
from router.errors import RouterError
from router.kafka import offset_metadata
from router.kafka.offset_metadata import MetadataTooLong, not_ours
from router.kafka.partition_state import PartitionState


@dataclass(slots=True, eq=False)
class RoutePartition(PartitionState):
    """`totals` are as committed, `ahead` with the batches that are prepared."""

    totals: Totals = field(default_factory=Totals)
    ahead: Totals = field(default_factory=Totals)

    @classmethod
    def open(cls, topic: str, number: int, committed: int, metadata: str) -> RoutePartition:
        """As the group has committed it. Raises MetadataError."""
        totals = decode_totals(metadata)
        return cls(topic, number, committed, committed, totals=totals, ahead=totals.copy())

    @property
    def name(self) -> str:
        """Of its health check."""
        return f"route.{self.topic}.{self.number}"

    def show(self) -> None:
        """Export the totals, as committed."""
        labels = (self.topic, str(self.number))
        counts = {f"router_events_{name}": count for name, count in self.totals.counts.items()}
        ROUTE_TOTALS.show(labels, counts)
        for destination, count in self.totals.routed.items():
            metrics.ROUTED_TOTALS.show((destination, *labels), {"router_events_routed": count})

    def show_backlog(self, messages: int) -> None:
        """Export how many messages wait, and for how long at most: longer than the last one that was read."""
        labels = (self.topic, str(self.number))
        age = time.time() - self.reached_ms / 1000 if messages and self.reached_ms else 0.0
        metrics.ROUTE_LAG.labels(*labels).set(messages)
        metrics.ROUTE_OLDEST.labels(*labels).set(max(0.0, age))

    def hide(self) -> None:
        """The partition is no longer this process's."""
        labels = (self.topic, str(self.number))
        ROUTE_TOTALS.hide(labels)
        for destination in self.totals.routed:
            metrics.ROUTED_TOTALS.hide((destination, *labels))
        metrics.ROUTE_LAG.remove(*labels)
        metrics.ROUTE_OLDEST.remove(*labels)


def encode_totals(totals: Totals, destinations: Iterable[str]) -> str:
    """Offset metadata; where it would be too long, only with the counts of these destinations. Raises RouterError."""
    try:
        return offset_metadata.encode(totals.as_data(), lambda: totals.as_data(destinations))
    except MetadataTooLong as error:
        raise RouterError(f"the counts of {len(totals.routed)} destinations are too long: {error}") from error


def decode_totals(metadata: str) -> Totals:
    """The inverse. Raises MetadataError."""
    try:
        return Totals.from_data(offset_metadata.decode(metadata))
    except ValueError as error:
        raise not_ours(error) from error


def changelog_of(batch: Batch, partitions: Sequence[RoutePartition]) -> dict[int, bytes]:
    """The batch's rows, packed into one changelog value for each partition."""
    numbers = np.fromiter([partitions[lane].number for lane in batch.row_lanes], np.int32, len(batch.row_lanes))
    sizes = {number: size for number, size in enumerate(np.bincount(numbers).tolist()) if size}
    rows = batch.rows()
    if len(sizes) > 1:
        rows = rows.at(numbers.argsort(kind="stable"))
    return dict(zip(sizes, pack(rows, list(sizes.values())), strict=True))


def export_counts(batch: Batch) -> None:
    """Count what has no total that rides with offsets."""
    now = time.time()
    for (metric, labels), number in batch.counts.items():
        metric.labels(*labels).inc(number)
        if metric is metrics.SOURCE_RESOLVED or metric is metrics.STOPPED:
            metrics.SOURCE_LAST.labels(labels[metric is metrics.STOPPED]).set(now)
