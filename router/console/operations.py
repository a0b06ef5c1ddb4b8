"""What the page of operations reads of Kafka: topics and what lies in them, lag, replays, what people did."""

from __future__ import annotations

from dataclasses import dataclass

from router.config.topics import input_topics, wanted_topics
from router.console.sight import Sight
from router.kafka.admin import Admin
from router.replay.replay_log import ReplayLog
from router.replay.replay_state import ReplayState


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A topic as it should be and as it is; `held` counts messages between both ends, markers of transactions too."""

    name: str
    wanted: int
    present: int
    held: int

    @property
    def sound(self) -> bool:
        return self.wanted == self.present


@dataclass(frozen=True, slots=True)
class LagRow:
    """A partition that a group reads: where it stands, and how many messages lie before it."""

    group: str
    topic: str
    partition: int
    waiting: int


@dataclass(frozen=True, slots=True)
class KafkaSide:
    topics: list[TopicRow]
    lag: list[LagRow]
    replays: list[ReplayState]
    audit: list[dict[str, str]]


def read_kafka_side(sight: Sight) -> KafkaSide:
    """Raises Unavailable."""
    admin, topics, topology = Admin(sight.cluster), sight.topics, sight.loaded.topology
    present = admin.topics()
    specs = wanted_topics(topology, present)
    keys = [(spec.name, number) for spec in specs for number in range(present.get(spec.name, 0))]
    held: dict[str, int] = {}
    for (name, _), at in admin.watermarks(keys, uncommitted=False).items():
        held[name] = held.get(name, 0) + at.high - at.low
    rows = [TopicRow(one.name, one.partitions, present.get(one.name, 0), held.get(one.name, 0)) for one in specs]
    groups = {topics.route_group: [name for name in input_topics(topology) if name in present]}
    for name in topology.enabled_destinations:
        if topics.destination(name) in present:
            groups[topics.deliver_group(name)] = [topics.destination(name)]
    lag = [
        LagRow(group, topic, number, waiting)
        for group, names in groups.items()
        for (topic, number), waiting in admin.lag(group, names).items()
    ]
    replays = list(ReplayLog(sight.cluster, topics.replays).read().values()) if topics.replays in present else []
    return KafkaSide(rows, sorted(lag, key=lambda row: -row.waiting), replays, sight.audit.newest())
