"""The topics that a topology needs: names from its name and prefix, settings from its `topics` section."""

from __future__ import annotations

from collections.abc import Mapping

from router.config.models import Topology
from router.events.topics import DEFAULT_PARTITIONS, Topics, TopicSpec


def topics_of(topology: Topology, found: Mapping[str, int] | None = None) -> Topics:
    """The names, retention and partitions of the topology's topics.

    `found` are the topics of the cluster with their partitions: where the topology does not say how many it wants, it
    has as many as the first topic that route reads, so that topics made under another default stay in use.
    """
    settings = topology.topics
    names = Topics(topology.name, prefix=settings.prefix)
    there = [found[topic] for topic in (names.raw, *source_topics(topology)) if topic in found] if found else []
    return Topics(
        topology.name,
        prefix=settings.prefix,
        partitions=settings.partitions or next(iter(there), DEFAULT_PARTITIONS),
        destination_partitions=settings.destination_partitions or 0,
        retention_ms=round(settings.retention * 1000),
        raw_retention_ms=round(settings.raw_retention * 1000),
        window_ms=round(topology.dedupe.window * 1000),
        replication=settings.replication or -1,
    )


def source_topics(topology: Topology) -> list[str]:
    """The topics that sources name as their own, each once, in the order of the file."""
    return list(dict.fromkeys(topic for source in topology.sources.values() for topic in source.topics))


def wanted_topics(topology: Topology, found: Mapping[str, int] | None = None) -> list[TopicSpec]:
    """Every topic the topology reads or writes. A disabled destination keeps its topics. `found`: see `topics_of`."""
    capped = {
        name: round(destination.delivery.cap.within * 1000)
        for name, destination in topology.destinations.items()
        if destination.delivery.cap is not None
    }
    return topics_of(topology, found).specs(topology.destinations, source_topics(topology), capped, found)


def owned_topics(topology: Topology) -> list[str]:
    """The topics that are this topology's alone: all but those that its sources name, which others may read as well."""
    shared = set(source_topics(topology))
    return [spec.name for spec in wanted_topics(topology) if spec.name not in shared]


def input_topics(topology: Topology) -> list[str]:
    """What a route worker reads."""
    topics = topics_of(topology)
    return [topics.raw, *source_topics(topology), *([topics.keyed] if reads_keyed(topology) else [])]


def reads_keyed(topology: Topology) -> bool:
    """Whether events go round by `events.keyed`: messages without a key, and events forwarded to another source."""
    forwards = (
        source.enforce.forward_blocked_to or source.enforce.forward_violations_to
        for source in topology.sources.values()
    )
    return topology.partitioning == "auto" or any(forwards)
