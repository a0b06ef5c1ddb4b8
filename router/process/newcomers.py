"""Whether the topics of destinations that are about to begin are there."""

from __future__ import annotations

from collections.abc import Collection

from router.config.loader import Loaded
from router.config.topics import topics_of
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster


def without_topics(cluster: Cluster, loaded: Loaded, destinations: Collection[str]) -> list[str]:
    """Those that lack a topic, or have it with another number of partitions. Raises Unavailable."""
    topics = topics_of(loaded.topology)
    found = Admin(cluster).topics()
    needed = {name: (topics.destination(name), topics.retry(name), topics.dead(name)) for name in destinations}
    return [name for name in destinations if any(found.get(topic) != topics.partitions for topic in needed[name])]
