"""Write capacity of a broker without retention, which drops a partition's oldest batches once it is full.

Writers ask `free` before they produce and hold back (or answer 503) while it is false; each message about to be
produced is noted. kill -9 loses nothing but the noted sizes: the next start measures what is outstanding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Self

from router.config.models import Topology
from router.config.topics import source_topics, topics_of, wanted_topics
from router.embedded.backlog import Backlog
from router.kafka.cluster import Cluster
from router.kafka.partitioner import partition_for

Watched = Sequence[tuple[str, str]]


def destination_topics(topology: Topology) -> Watched:
    """The topics of all enabled destinations, each with the group that reads it."""
    topics = topics_of(topology)
    return [(topics.destination(name), topics.deliver_group(name)) for name in topology.enabled_destinations]


def source_and_destination_topics(topology: Topology) -> Watched:
    """Every topic that fills up when events arrive faster than they are delivered, each with its reading group."""
    topics = topics_of(topology)
    raw = [(topic, topics.route_group) for topic in (topics.raw, *source_topics(topology))]
    return [*raw, *destination_topics(topology)]


def capacity_of(
    cluster: Cluster, topology: Topology, watched: Callable[[Topology], Watched] = source_and_destination_topics
) -> AbstractContextManager[Capacity | None]:
    """The capacity of the topics that a process writes to, or None where the broker has retention."""
    return nullcontext() if cluster.capabilities.retention else Capacity(cluster, topology, watched)


class Capacity:
    """A context that measures in a thread of its own. Such a broker lives no longer than the topics of its topology, so
    they have the partitions that the topology asks for.
    """

    def __init__(self, cluster: Cluster, topology: Topology, watched: Callable[[Topology], Watched]) -> None:
        self._watched = watched
        self._topics = frozenset(topic for topic, _ in watched(topology))
        self._backlog = Backlog(cluster, watched(topology))
        self._partitions = _partitions(topology)

    def watch(self, topology: Topology) -> None:
        """Watch the topics of a changed topology from the next measurement on."""
        watched = self._watched(topology)
        self._topics = frozenset(topic for topic, _ in watched)
        self._partitions = _partitions(topology)
        self._backlog.watch(watched)

    @property
    def known(self) -> bool:
        """Whether there was a measurement yet; until then nothing is free."""
        return self._backlog.known

    def free(self) -> bool:
        """Whether every watched partition can take more."""
        return self._backlog.free()

    def note(self, records: Iterable[tuple[str, bytes, bytes | None, Any]]) -> None:
        """Records (topic, value, key, headers) about to be produced; one without a key counts for partition 0."""
        for topic, value, key, _ in records:
            if topic in self._topics:
                partition = partition_for(key, self._partitions[topic]) if key is not None else 0
                self._backlog.note(topic, partition, len(value) + len(key or b""))

    def __enter__(self) -> Self:
        self._backlog.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backlog.stop()


def _partitions(topology: Topology) -> dict[str, int]:
    return {spec.name: spec.partitions for spec in wanted_topics(topology)}
