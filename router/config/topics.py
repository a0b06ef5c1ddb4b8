"""The topics that a topology needs: names from its name and prefix, settings from its `topics` section."""

from __future__ import annotations

from router.config.models import Topology
from router.events.topics import Topics, TopicSpec


def topics_of(topology: Topology) -> Topics:
    """The names, retention and partitions of the topology's topics."""
    settings = topology.topics
    return Topics(
        topology.name,
        prefix=settings.prefix,
        partitions=settings.partitions,
        retention_ms=round(settings.retention * 1000),
        raw_retention_ms=round(settings.raw_retention * 1000),
        window_ms=round(topology.dedupe.window * 1000),
        replication=settings.replication or -1,
    )


def source_topics(topology: Topology) -> list[str]:
    """The topics that sources name as their own, each once, in the order of the file."""
    return list(dict.fromkeys(topic for source in topology.sources.values() for topic in source.topics))


def wanted_topics(topology: Topology) -> list[TopicSpec]:
    """Every topic the topology reads or writes. A disabled destination keeps its topics."""
    capped = {
        name: round(destination.delivery.cap.within * 1000)
        for name, destination in topology.destinations.items()
        if destination.delivery.cap is not None
    }
    return topics_of(topology).specs(topology.destinations, source_topics(topology), capped)


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
