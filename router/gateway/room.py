"""Room on the embedded broker for what is about to be produced; see `router.kafka.backlog`."""

from __future__ import annotations

from router.config.models import Topology
from router.config.topics import source_topics, topics_of
from router.kafka.backlog import Backlog
from router.kafka.cluster import Cluster
from router.kafka.partitioner import partition_for


def watched(topology: Topology) -> list[tuple[str, str]]:
    """Topics that fill up when events come faster than they are delivered, each with the group that reads it."""
    topics = topics_of(topology)
    delivered = [name for name, destination in topology.destinations.items() if destination.enabled]
    raw = [(topic, topics.route_group) for topic in (topics.raw, *source_topics(topology))]
    return raw + [(topics.destination(name), topics.deliver_group(name)) for name in delivered]


class Room:
    """A context. `partitions` is the count of the topics that are written here: all have the topology's."""

    def __init__(self, cluster: Cluster, topology: Topology) -> None:
        self._backlog = Backlog(cluster, watched(topology))
        self._partitions = topology.topics.partitions

    def __enter__(self) -> Room:
        self._backlog.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._backlog.stop()

    def watch(self, topology: Topology) -> None:
        """From now on the topics of another topology with the same partitions."""
        self._backlog.watch(watched(topology))

    @property
    def known(self) -> bool:
        """Whether it was measured yet; until then nothing is free."""
        return self._backlog.known

    def free(self) -> bool:
        return self._backlog.room()

    def note(self, topic: str, value: bytes, key: bytes | None) -> None:
        """A message is about to be produced. One without a key goes anywhere: it counts for the first partition."""
        partition = partition_for(key, self._partitions) if key is not None else 0
        self._backlog.note(topic, partition, len(value) + len(key or b""))
