"""Administration: topics as they are and as they should be, ids, committed offsets, watermarks.

Without the capability `topic_administration`, all but `create` and topic settings can be asked.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from router.errors import RouterError, Unavailable
from router.events.topics import TopicSpec
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.kafka.failure import LEADER_CHANGING, translated
from router.kafka.offsets import Committed, GroupOffsets, PartitionKey

REQUEST_SECONDS = 10.0
_VISIBLE_SECONDS = 60.0  # a busy broker makes some hundred partitions in many seconds
_RETRY_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Difference:
    """A topic that is not as it should be; `setting` is `topic` when it is missing altogether."""

    topic: str
    setting: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting}: expected {self.expected}, got {self.got}"


@dataclass(frozen=True, slots=True)
class Watermarks:
    """`low` is the oldest offset kept; `high` is one past the newest that a reader can see."""

    low: int
    high: int


class Admin:
    """One connection for administration. Raises Unavailable when the broker does not answer in time (seconds)."""

    def __init__(self, cluster: Cluster, *, timeout: float = REQUEST_SECONDS) -> None:
        self._cluster = cluster
        self._timeout = timeout
        with translated("Kafka settings"):
            self._client = AdminClient(clients.admin(cluster))

    def cluster_id(self) -> str:
        with self._asking("cluster"):
            return str(self._client.describe_cluster(request_timeout=self._timeout).result().cluster_id)

    def topics(self) -> dict[str, int]:
        """Every topic that this principal may see, with its number of partitions."""
        with self._asking("topics"):
            listed = self._client.list_topics(timeout=self._timeout).topics
        return {name: len(topic.partitions) for name, topic in listed.items() if topic.error is None}

    def topic_ids(self, names: Iterable[str]) -> dict[str, str]:
        """The unique id of each topic (made again, it has another); missing topics are left out."""
        wanted = list(names)
        if not wanted:
            return {}
        with self._asking("topic ids"):
            answers = self._client.describe_topics(TopicCollection(wanted), request_timeout=self._timeout)
            found = {name: self._unless(answer, "UNKNOWN_TOPIC_OR_PART") for name, answer in answers.items()}
        return {name: str(topic.topic_id) for name, topic in found.items() if topic is not None}

    def create(self, specs: Iterable[TopicSpec]) -> list[str]:
        """Make what is missing, with the broker's default replication; returns the names made."""
        if not self._cluster.capabilities.topic_administration:
            raise RouterError("the topics of this broker are created by the process that starts it")
        present = self.topics()
        new = [
            NewTopic(spec.name, spec.partitions, spec.replication, config=dict(spec.config))
            for spec in specs
            if spec.name not in present
        ]
        if not new:
            return []
        with self._asking("create topics"):
            answers = self._client.create_topics(new, request_timeout=self._timeout)
        made = [name for name, answer in answers.items() if self._created(name, answer)]
        self._wait_visible(made)
        return made

    def differences(self, specs: Sequence[TopicSpec]) -> list[Difference]:
        """How topics differ from the specs. Where topics have no settings only their partitions are compared."""
        present = self.topics()
        found: list[Difference] = []
        for spec in specs:
            if spec.name not in present:
                found.append(Difference(spec.name, "topic", "present", "missing"))
            elif present[spec.name] != spec.partitions:
                found.append(Difference(spec.name, "partitions", str(spec.partitions), str(present[spec.name])))
        described = [spec for spec in specs if spec.name in present and spec.config]
        return found + (self._setting_differences(described) if self._cluster.capabilities.topic_administration else [])

    def delete_before(self, offsets: Mapping[PartitionKey, int]) -> None:
        """Delete the records of each partition before this offset, for good."""
        if not self._cluster.capabilities.topic_administration:
            raise RouterError("this broker cannot delete records: they end with the process that starts it")
        wanted = [TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()]
        if wanted:
            with self._asking("delete records"):
                for answer in self._client.delete_records(wanted, request_timeout=self._timeout).values():
                    answer.result()

    def committed(
        self, group: str, partitions: Iterable[PartitionKey], *, stable: bool = True
    ) -> dict[PartitionKey, Committed]:
        """What the group has committed, where it has; see GroupOffsets."""
        with GroupOffsets(self._cluster, group, stable=stable, timeout=self._timeout) as offsets:
            return offsets.committed(partitions)

    def watermarks(
        self, partitions: Iterable[PartitionKey], *, uncommitted: bool = True
    ) -> dict[PartitionKey, Watermarks]:
        """Ends of each partition. Without `uncommitted`, `high` stops at the first open transaction.

        Waits for a leader: a topic just made has none for a moment.
        """
        wanted = list(partitions)
        low = self._offsets(wanted, OffsetSpec.earliest(), uncommitted)  # type: ignore[no-untyped-call]
        high = self._offsets(wanted, OffsetSpec.latest(), uncommitted)  # type: ignore[no-untyped-call]
        return {partition: Watermarks(low[partition], high[partition]) for partition in wanted}

    def lag(self, group: str, topics: Iterable[str]) -> dict[PartitionKey, int]:
        """Offsets between a group's commit (the oldest kept when it has none) and the end.

        On transactional topics the markers count too: an idle group's lag there is small but not 0.
        """
        present = self.topics()
        partitions = [(topic, number) for topic in topics for number in range(present.get(topic, 0))]
        committed = self.committed(group, partitions, stable=False)
        ends = self.watermarks(partitions)
        starts = {key: committed[key].offset if key in committed else ends[key].low for key in partitions}
        return {key: max(0, ends[key].high - starts[key]) for key in partitions}

    def poll(self) -> None:
        """Hand waiting log lines to Python's logging; for a connection that lives long."""
        self._client.poll(0)

    def _offsets(self, partitions: list[PartitionKey], spec: OffsetSpec, uncommitted: bool) -> dict[PartitionKey, int]:
        if not partitions:
            return {}
        level = IsolationLevel.READ_UNCOMMITTED if uncommitted else IsolationLevel.READ_COMMITTED
        request = {TopicPartition(topic, partition): spec for topic, partition in partitions}
        end = time.monotonic() + self._timeout
        with self._asking("watermarks"):
            while True:
                answers = self._client.list_offsets(request, isolation_level=level, request_timeout=self._timeout)
                try:
                    return {(at.topic, at.partition): answer.result().offset for at, answer in answers.items()}
                except KafkaException as error:
                    if error.args[0].name() not in LEADER_CHANGING or time.monotonic() >= end:
                        raise
                time.sleep(_RETRY_SECONDS)

    def _setting_differences(self, specs: Sequence[TopicSpec]) -> list[Difference]:
        if not specs:
            return []
        resources = {spec.name: ConfigResource(ResourceType.TOPIC, spec.name) for spec in specs}
        with self._asking("topic settings"):
            answers = self._client.describe_configs(list(resources.values()), request_timeout=self._timeout)
            found = {resource.name: answer.result() for resource, answer in answers.items()}
        return [
            Difference(spec.name, key, expected, got)
            for spec in specs
            for key, expected in spec.config.items()
            if (got := _value(found[spec.name], key)) != expected
        ]

    def _created(self, name: str, answer: Future[Any]) -> bool:
        """False when another process made it in the meantime."""
        with translated(f"create {name} at {self._cluster.bootstrap}"):
            try:
                answer.result()
            except KafkaException as error:
                if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                    raise
                return False
        return True

    def _wait_visible(self, names: Iterable[str]) -> None:
        """The controller answers before the brokers know: asked at once, they would call the topic missing."""
        end = time.monotonic() + _VISIBLE_SECONDS
        while missing := set(names) - set(self.topics()):
            if time.monotonic() >= end:
                raise Unavailable(f"topics made but not visible in time: {', '.join(sorted(missing))}")
            time.sleep(_RETRY_SECONDS)

    def _unless(self, answer: Future[Any], absent: str) -> Any:
        try:
            return answer.result()
        except KafkaException as error:
            if error.args[0].name() != absent:
                raise
            return None

    def _asking(self, what: str) -> Any:
        return translated(f"{what} at {self._cluster.bootstrap}")


def _value(settings: Mapping[str, Any], key: str) -> str:
    return str(settings[key].value) if key in settings else "unknown to this broker"
