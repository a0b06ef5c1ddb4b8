"""Reads parts of topics for whatever has an id in it: many partitions at once, in no group, committed records only.

Every message costs one test of its bytes or its key and no more, since a day may have ten million: most of it native,
where that is in use. Nothing is written, so kill -9 loses nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from router.errors import Unavailable
from router.kafka import clients
from router.kafka.admin import REQUEST_SECONDS, Admin
from router.kafka.cluster import Cluster
from router.kafka.failure import router_error, translated
from router.kafka.offsets import PartitionKey
from router.trace.reading import NextStep, TopicPart, reader
from router.trace.records import Sighting
from router.trace.wanted import Wanted

SILENCE_SECONDS = 30.0
_WAIT_MS = 10  # a fetch at the end of a partition: behind the last record there may be markers of transactions
_AHEAD_KBYTES = 128 * 1024

Note = Callable[[Sighting], object]  # of those that are wanted


class Scanner:
    """For one search after the other. `read` counts the messages looked at, by topic; `admin` asks the same cluster.

    `progress` is told the number of messages of each step. Raises Unavailable.
    """

    def __init__(self, cluster: Cluster, progress: Callable[[int], object] = int) -> None:
        self._indexed = cluster.capabilities.time_index
        self._progress = progress
        self.cluster = cluster
        self.admin = Admin(cluster)
        ours = {"fetch.wait.max.ms": _WAIT_MS, "queued.max.messages.kbytes": _AHEAD_KBYTES}
        with translated("Kafka settings"):
            self._reader = reader(clients.reader(cluster) | ours | dict(cluster.overrides))
        self._consumer = self._reader.consumers[0]
        with translated(f"topics at {cluster.bootstrap}"):
            # Of a topic that the client has not heard of, the first message would come a second later.
            listed = self._consumer.list_topics(timeout=REQUEST_SECONDS)
        self.cluster_id = str(listed.cluster_id)
        self.topics: Mapping[str, int] = {
            name: len(topic.partitions) for name, topic in listed.topics.items() if topic.error is None
        }
        self.read: Counter[str] = Counter()

    def parts(
        self,
        topics: Iterable[str],
        since: int | None = None,
        until: int | None = None,
        only: Collection[int] | None = None,
    ) -> list[TopicPart]:
        """The parts of these topics with messages from `since` up to, including, `until` (ms since 1970), of all
        partitions or of those in `only`. Topics that are missing have none.
        """
        wanted = [
            (topic, number)
            for topic in dict.fromkeys(topics)
            for number in range(self.topics.get(topic, 0))
            if only is None or number in only
        ]
        if not wanted:
            return []
        bounds = self.admin.watermarks(wanted, uncommitted=False)
        starts = self._offsets(wanted, since) if since is not None else {}
        ends = self._offsets(wanted, until + 1) if until is not None else {}
        found = []
        for key, at in bounds.items():
            low = max(at.low, min(at.high, starts.get(key, at.low)))
            found.append(TopicPart(*key, low, min(at.high, ends.get(key, at.high))))
        return [part for part in found if part.low < part.high]

    def _offsets(self, wanted: Iterable[PartitionKey], ms: int) -> dict[PartitionKey, int]:
        """The first offset at or after a time; left out where there is none, or no index of times."""
        if not self._indexed:
            return {}
        asked = [TopicPartition(topic, number, max(0, ms)) for topic, number in wanted]
        with translated("times"):
            found = self._consumer.offsets_for_times(asked, REQUEST_SECONDS)
        beyond = 1 << 62  # no message is that late
        return {(one.topic, one.partition): one.offset if one.offset >= 0 else beyond for one in found}

    def scan(
        self, parts: Collection[TopicPart], wanted: Wanted, note: Note, enough: Callable[[], bool] = lambda: False
    ) -> None:
        """Take note of the wanted messages of these parts, in the order of each partition, until there is `enough`."""
        ends = {part.key: part.high for part in parts}
        if not ends or enough():
            return
        doing = "read " + ", ".join(sorted({topic for topic, _ in ends}))
        with translated(doing), self._reader.reading(parts, wanted) as step:
            self._until(step, ends, wanted, note, enough)

    def _until(
        self, step: NextStep, ends: dict[PartitionKey, int], wanted: Wanted, note: Note, enough: Callable[[], bool]
    ) -> None:  # fmt: skip
        heard = time.monotonic()
        while ends and not enough():
            found, errors, looked = step(ends)
            if looked or errors:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE_SECONDS:
                raise Unavailable(f"nothing came for {SILENCE_SECONDS:g} s from {sorted(ends)}")
            ended = _ended(errors)
            for one in found:
                if one.place.offset < ends.get(one.place[:2], 0) and wanted.is_it(one):
                    note(one)
            self.read += looked
            self._drop(ends, ended)
            self._progress(looked.total())

    def _drop(self, ends: dict[PartitionKey, int], ended: Iterable[PartitionKey]) -> None:
        """Read no further in partitions that have come to their end."""
        done = {key for key, offset in self._reader.positions(ends).items() if offset >= ends[key]}
        if done := (done | set(ended)) & ends.keys():
            self._reader.pause(done)
        for key in done:
            del ends[key]

    def prepare(self) -> None:
        """Make ready what a large search needs, while its caller still has to find out what is wanted."""
        with translated(f"topics at {self.cluster.bootstrap}"):
            self._reader.prepare()

    def close(self) -> None:
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ended(errors: Iterable[tuple[PartitionKey, KafkaError]]) -> set[PartitionKey]:
    """Partitions with nothing behind these messages. Raises Unavailable for what cannot be read."""
    ended = set()
    for (topic, number), error in errors:
        if error.code() != KafkaError._PARTITION_EOF:
            raise router_error(KafkaException(error), f"read {topic} [{number}]")
        ended.add((topic, number))
    return ended
