"""The totals that ride with committed offsets, read of Kafka: exact whatever was killed, to the last commit."""

from __future__ import annotations

from collections.abc import Mapping

from router.config.models import Topology
from router.config.topics import input_topics, topics_of
from router.delivery.tracker import decode
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.offset_metadata import MetadataError
from router.kafka.offsets import GroupOffsets, PartitionKey
from router.worker.partition import decode_totals

_SECONDS = 5.0


class CommittedTotals:
    """Asks without joining any group. One thread at a time.

    What ended in the retry lane is counted with the offsets of its own topic.
    """

    def __init__(self, cluster: Cluster, topology: Topology) -> None:
        self._cluster = cluster
        self._admin = Admin(cluster, timeout=_SECONDS)
        self._groups: dict[str, GroupOffsets] = {}
        self.use(topology)

    def use(self, topology: Topology) -> None:
        """Ask for this topology from now on."""
        topics = topics_of(topology)
        self._route = (topics.route_group, input_topics(topology))
        self._delivery = {
            name: (topics.deliver_group(name), [topics.destination(name), topics.retry(name)])
            for name in topology.destinations
        }

    def read(self) -> Mapping[str, Mapping[str, int]]:
        """By destination, and by "" for the route workers. Raises Unavailable."""
        present = self._admin.topics()
        sums: dict[str, int] = {}
        found: dict[str, dict[str, int]] = {"": sums}
        for metadata in self._metadata(present, *self._route):
            try:
                totals = decode_totals(metadata)
            except MetadataError:
                continue  # an operator has moved the group: that partition counts from zero
            for name, count in (*totals.counts.items(), ("routed", totals.routed.total())):
                sums[name] = sums.get(name, 0) + count
        for name, group in self._delivery.items():
            counts = [decode(metadata, 0)[0] for metadata in self._metadata(present, *group)]
            found[name] = {
                "delivered": sum(one.delivered for one in counts),
                "filtered": sum(one.filtered for one in counts),
                "dead": sum(one.dead for one in counts),
                "redriven": sum(one.redriven for one in counts),
            }
        return found

    def close(self) -> None:
        for group in self._groups.values():
            group.close()
        self._groups = {}

    def _metadata(self, present: Mapping[str, int], group: str, topics: list[str]) -> list[str]:
        partitions: list[PartitionKey] = [(topic, at) for topic in topics for at in range(present.get(topic, 0))]
        if group not in self._groups:
            self._groups[group] = GroupOffsets(self._cluster, group, stable=False, timeout=_SECONDS)
        return [one.metadata for one in self._groups[group].committed(partitions).values()]
