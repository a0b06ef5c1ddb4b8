"""Which topology a topic belongs to, written down in Kafka: two topologies on one cluster never mix their events.

The registry is one topic of one partition, kept for ever. The first claim of a topic wins; taking over moves it from
one topology to another. A claim names the topic's id, so it ends with the topic. kill -9 between the making of a topic
and its claim leaves it unclaimed, and the topology's next process claims it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson
from confluent_kafka import Message, Producer

from router.errors import RouterError, Unavailable
from router.events.topics import REGISTRY
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.failure import translated
from router.kafka.span import span

log = logging.getLogger(__name__)
WRITE_SECONDS = 30.0
ADVICE = (
    "give this topology topics of its own with `topics: {prefix: …}` in its file, "
    "or, where it replaces the other, run `router topics apply --take-over TOPOLOGY` (topologies/README.md)"
)
TopicIds = Mapping[str, str]  # name to id


class Claim(NamedTuple):
    """One record of the registry. `taken_from` is empty for a plain claim."""

    topic: str
    topic_id: str
    topology: str
    taken_from: str = ""


def owners_of(claims: Iterable[Claim], topics: TopicIds) -> dict[str, str]:
    """Topic to topology after all these claims in their order, of the topics that exist."""
    owners: dict[str, str] = {}
    for topic, topic_id, topology, taken_from in claims:
        if topics.get(topic) == topic_id and owners.get(topic, "") == taken_from:
            owners[topic] = topology
    return owners


class Owners:
    """The registry of one cluster. Every call may raise RouterError; Unavailable when the broker does not answer."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._admin = Admin(cluster)

    def of(self, topics: TopicIds) -> dict[str, str]:
        """Topic to topology, of these topics; unclaimed ones are left out."""
        if REGISTRY.name not in self._admin.topics():
            return {}
        ends = self._admin.watermarks([(REGISTRY.name, 0)])[REGISTRY.name, 0]
        batches = span(self._cluster, REGISTRY.name, 0, ends.low, ends.high)
        return owners_of((_claim(message) for batch in batches for message in batch), topics)

    def foreign(self, topology: str, topics: Iterable[str]) -> dict[str, str]:
        """Of these topics, those that exist and belong to another topology, with its name."""
        owners = self.of(self._admin.topic_ids(topics))
        return {topic: owner for topic, owner in owners.items() if owner != topology}

    def check(self, topology: str, topics: Iterable[str]) -> None:
        """Raises RouterError when one of these topics belongs to another topology."""
        _refuse(topology, self.foreign(topology, topics))

    def claim(self, topology: str, topics: Sequence[str], *, take_over: str = "") -> list[str]:
        """Claim those of these topics that exist and have no owner, or belong to `take_over`; returns their names.

        Raises RouterError when one belongs to another topology: then none is claimed, unless both claimed at once.
        """
        if not self._registry():
            return []
        ids = self._admin.topic_ids(topics)
        owners = self.of(ids)
        _refuse(topology, {topic: owner for topic, owner in owners.items() if owner not in (topology, take_over)})
        claims = [
            Claim(topic, ids[topic], topology, owners.get(topic, "")) for topic in ids if owners.get(topic) != topology
        ]
        if claims:
            self._write(claims)
            self.check(topology, topics)  # another topology may have claimed them in the meantime
            before = sorted({claim.taken_from for claim in claims} - {""})
            names = ", ".join(claim.topic for claim in claims)
            log.info("topology %s owns from now on: %s", topology, names, extra={"before": before})
        return [claim.topic for claim in claims]

    def _registry(self) -> bool:
        """Whether there is a registry, made if need be; an embedded broker has one where `router up` started it."""
        if REGISTRY.name not in self._admin.topics() and self._cluster.capabilities.topic_administration:
            self._admin.create([REGISTRY])
            return True
        return REGISTRY.name in self._admin.topics()

    def _write(self, claims: Sequence[Claim]) -> None:
        failed: list[str] = []
        with translated("claim topics"):
            producer = Producer(clients.producer(self._cluster))
            for claim in claims:
                value = orjson.dumps(claim._asdict())
                producer.produce(
                    REGISTRY.name, value, claim.topic, 0, lambda error, _: failed.append(error.str()) if error else None
                )
            left = producer.flush(WRITE_SECONDS)
        if failed or left:
            raise Unavailable(f"claim topics: {failed[0] if failed else 'the broker does not answer'}")


def _refuse(topology: str, foreign: Mapping[str, str]) -> None:
    if not foreign:
        return
    topics_of: dict[str, list[str]] = {}
    for topic, owner in foreign.items():
        topics_of.setdefault(owner, []).append(topic)
    listed = "; ".join(f"to topology {owner} belong {', '.join(sorted(topics))}" for owner, topics in topics_of.items())
    raise RouterError(f"topology {topology} may not use topics of another: {listed}: {ADVICE}")


def _claim(message: Message) -> Claim:
    try:
        record = orjson.loads(message.value() or b"")
        return Claim(*(str(record[name]) for name in Claim._fields))
    except (ValueError, TypeError, KeyError) as error:
        raise RouterError(
            f"{REGISTRY.name}: the record at offset {message.offset()} is not a claim: {error}"
        ) from error
