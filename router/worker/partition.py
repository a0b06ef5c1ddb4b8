"""An owned partition of a route worker: where it stands, and the cumulative counts that ride with its offsets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from router.agents.totals import Totals
from router.errors import RouterError
from router.kafka import offset_metadata
from router.kafka.group_consumer import PartitionState
from router.kafka.offset_metadata import MetadataTooLong, not_ours


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
