"""Topics in memory, in the place of a broker: filled by the real agents, read by the real finder."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from router.agents.agent import Setup
from router.agents.pipeline import Pipeline
from router.config.loader import Loaded
from router.config.topics import topics_of, wanted_topics
from router.dedupe.changelog import pack
from router.dedupe.window_memory import MemoryWindow
from router.events.message_batch import LOG_APPEND_TIME
from router.identity import IdentityRules, MemoryIdentityStore, Replica
from router.kafka.partitioner import partition_for
from router.trace.reading import TopicPart, sighting
from router.trace.records import Sighting
from router.trace.wanted import Wanted


@dataclass(frozen=True)
class StoredMessage:
    name: str
    number: int
    at: int
    time: int
    text: bytes
    id: bytes | None
    named: list[tuple[str, bytes]]

    def value(self) -> bytes:
        return self.text

    def key(self) -> bytes | None:
        return self.id

    def headers(self) -> Any:
        return self.named or None

    def timestamp(self) -> tuple[int, int]:
        return LOG_APPEND_TIME, self.time

    def topic(self) -> str:
        return self.name

    def partition(self) -> int:
        return self.number

    def offset(self) -> int:
        return self.at


class MemoryTopics:
    """What `router.trace.scan.Scanner` offers, over lists."""

    def __init__(self, loaded: Loaded) -> None:
        names = topics_of(loaded.topology)
        self.topics = {spec.name: spec.partitions for spec in wanted_topics(loaded.topology)}
        self.read: Counter[str] = Counter()
        self.cluster_id = "test"
        self._log: dict[tuple[str, int], list[StoredMessage]] = defaultdict(list)
        self._names = names
        self._window = MemoryWindow(names.window_ms)
        self._replica = Replica(MemoryIdentityStore(), IdentityRules.of(loaded.topology.identity))
        self._lanes = {(names.raw, number): number for number in range(names.partitions)}
        self._pipeline = Pipeline.build(Setup(loaded, "test", self._window, self._replica, self._link))
        self._now = 0

    def receive(self, event: dict[str, Any], time: int) -> None:
        """An event comes and is routed at once."""
        self._now = time
        key = str(event.get("anonymousId") or event.get("userId") or "").encode()
        message = self._store(self._names.raw, orjson.dumps(event), key, time, [])
        batch = self._pipeline.run([message], self._lanes)
        rows = batch.rows()
        self._window.write(rows, {})
        for record in pack(rows, [len(rows)] if len(rows) else []):
            self._store(self._names.dedupe_changelog, record, None, time + 5, [], message.number)
        for topic, value, own, headers in batch.outputs():
            named = [(name, raw.encode() if isinstance(raw, str) else raw or b"") for name, raw in headers or ()]
            self._store(topic, value, own, time + 5, named)

    def _link(self, record: bytes) -> None:
        self._replica.apply_record(self._replica.position(), self._now, record)

    def _store(
        self, topic: str, value: bytes, key: bytes | None, time: int, headers: list[tuple[str, bytes]], number: int = -1
    ) -> StoredMessage:  # fmt: skip
        if number < 0:
            number = partition_for(key, self.topics[topic]) if key else 0
        log = self._log[topic, number]
        message = StoredMessage(topic, number, len(log), time, value, key, headers)
        log.append(message)
        return message

    def parts(
        self, topics: Iterable[str], since: int | None = None, until: int | None = None,
        only: Collection[int] | None = None,
    ) -> list[TopicPart]:  # fmt: skip
        found = []
        for topic in topics:
            for number in range(self.topics.get(topic, 0)):
                inside = [
                    one.at
                    for one in self._log[topic, number]
                    if (since is None or one.time >= since) and (until is None or one.time <= until)
                ]
                if inside and (only is None or number in only):
                    found.append(TopicPart(topic, number, inside[0], inside[-1] + 1))
        return found

    def scan(
        self, parts: Collection[TopicPart], wanted: Wanted, note: Callable[[Sighting], object],
        enough: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        picks = wanted.picks()
        for part in parts:
            messages: list[Any] = self._log[part.topic, part.partition][part.low : part.high]
            for one in map(sighting, filter(picks, messages)):
                if enough():
                    return
                if wanted.is_it(one):
                    note(one)
