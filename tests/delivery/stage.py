"""A topology's destinations on a broker: topics made, events written, deliver processes started, killed and counted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import yaml
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from prometheus_client.parser import text_string_to_metric_families

from router.config.loader import Loaded, load_topology
from router.config.options import RunOptions
from router.config.source_files import SourceFiles
from router.config.topics import topics_of, wanted_topics
from router.delivery.run import run_delivery
from router.destinations.registry import destination_types
from router.embedded.broker import EmbeddedBroker
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.kafka.offsets import log_ends, stable_offsets
from router.process.health import Health
from router.process.reload import Reload

DEADLINE = 120.0
PARTITIONS = 3
_OF_DELIVERY = (".dest.", "delivery", ".redrives", ".control")  # topics that delivery and its commands use


class Stage:
    """`destinations` is the section of a topology file; `broker` the embedded one or a real one's address."""

    parts: tuple[str, ...] = _OF_DELIVERY  # of the names of the topics that it makes

    def __init__(
        self, broker: EmbeddedBroker | str, folder: Path, name: str, destinations: dict[str, Any], **topology: Any
    ) -> None:
        self.folder = folder
        self.embedded = isinstance(broker, EmbeddedBroker)
        self.cluster = Cluster(broker) if isinstance(broker, str) else broker.cluster
        self.file = folder / "topology.yaml"
        self.name = name
        self.write(destinations, **topology)
        self.loaded: Loaded = load_topology([self.file], registry=destination_types())
        self.topics = topics_of(self.loaded.topology)
        self.options = RunOptions(self.cluster.bootstrap, self.embedded, state=folder / "state")
        self._producer = Producer(clients.producer(self.cluster))
        self._sent: Counter[str] = Counter()
        self._make_topics(broker)

    def _make_topics(self, broker: EmbeddedBroker | str) -> None:
        wanted = wanted_topics(self.loaded.topology)
        ours = [spec for spec in wanted if any(part in spec.name for part in self.parts)]
        if isinstance(broker, EmbeddedBroker):
            broker.create_topics({spec.name: spec.partitions for spec in ours})
            return
        admin = AdminClient({"bootstrap.servers": broker})
        made = admin.create_topics([NewTopic(spec.name, spec.partitions, 1) for spec in ours])
        for done in made.values():
            done.result(DEADLINE)

    def write(self, destinations: dict[str, Any], **topology: Any) -> None:
        """The topology's file, in one step."""
        topics = {"prefix": f"{self.name}.", "partitions": PARTITIONS}
        data = {"name": self.name, "topics": topics, "sources": {"web": {}}, "destinations": destinations} | topology
        fresh = self.file.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(data))
        fresh.replace(self.file)

    # Events

    def send(self, destination: str, count: int, *, profiles: int = 7, **fields: Any) -> list[str]:
        """Events for a destination, acknowledged; returns their messageIds, in order of each profile."""
        names = []
        for _ in range(count):
            number = self._sent[destination]
            self._sent[destination] += 1
            names.append(f"{destination}-{number}")
            profile, now = f"p{number % profiles}", datetime.now(UTC).isoformat(timespec="milliseconds")
            body = {
                "type": "track", "event": "Order Completed", "messageId": names[-1], "profileId": profile,
                "receivedAt": now, "seq": number,
            } | fields  # fmt: skip
            self.put(destination, orjson.dumps(body), profile.encode())
        assert self._producer.flush(DEADLINE) == 0
        return names

    def put(
        self, destination: str, value: bytes | None, key: bytes | None, own: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """A message as it is, not yet flushed."""
        headers: Any = [("source", b"web"), ("type", b"track"), ("event", b"Order Completed"), *own]
        self.produce(self.topics.destination(destination), value, key, headers)

    def produce(self, topic: str, value: bytes | None, key: bytes | None, headers: Any, at: int = 0) -> None:
        """A message of any topic, not yet flushed; `at` in ms since 1970, 0 for now."""
        self._producer.produce(topic, value, key, headers=headers, timestamp=at)
        self._producer.poll(0)

    def flush(self) -> None:
        """Returns when all that was put is acknowledged."""
        assert self._producer.flush(DEADLINE) == 0

    # Processes

    @contextlib.contextmanager
    def delivering(
        self, only: Sequence[str] = (), *, follow: bool = False, switched_off: bool = False
    ) -> Iterator[Health]:
        """Delivery in a thread of this process, drained at the end; a failure of it is raised.

        With `follow` it takes over what is written into the topology's file.
        """
        reload: Reload[Any] | None = Reload(SourceFiles([self.file], destination_types())) if follow else None
        stop, health = threading.Event(), Health()
        failures: list[BaseException] = []

        def run() -> None:
            try:
                loaded = reload.active if reload else self.loaded
                run_delivery(loaded, self.options, stop, health, only, reload, switched_off=switched_off)
            except BaseException as error:  # noqa: BLE001  raised below
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield health
        finally:
            stop.set()
            thread.join(DEADLINE)
            if reload is not None:
                reload.stop()
            if failures:  # rather than what the test waited for in vain
                raise failures[0]
        assert not thread.is_alive()

    @contextlib.contextmanager
    def process(self, *arguments: str) -> Iterator[Deliver]:
        """`router deliver` as a process of its own, killed at the end if it still runs."""
        one = Deliver(self, arguments)
        try:
            yield one
        finally:
            one.kill()

    # Topics

    def read(self, topic: str) -> list[Message]:
        """All messages of a topic, in order of each partition; what a transaction still holds is waited for."""
        consumer = Consumer(clients.reader(self.cluster))
        behind = self._ends(topic)
        consumer.assign([TopicPartition(topic, number, 0) for number in behind])
        messages = []
        deadline = time.monotonic() + DEADLINE
        while behind:
            assert time.monotonic() < deadline, f"{topic}: not read to the ends of {sorted(behind)}"
            message = consumer.poll(0.2)
            error = message.error() if message is not None else None
            if message is not None and error is None:
                messages.append(message)
            elif message is not None and error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                number, offset = message.partition(), message.offset()
                assert number is not None
                assert offset is not None
                if offset >= behind.get(number, 0):  # it was the last stable offset if it is less
                    behind.pop(number, None)
        consumer.close()
        return messages

    def _ends(self, topic: str) -> dict[int, int]:
        """The first offset of each partition that nobody has written."""
        consumer = Consumer(clients.reader(self.cluster, uncommitted=True))
        ends = {number: log_ends(consumer, topic, number, DEADLINE)[1] for number in range(PARTITIONS)}
        consumer.close()
        return ends

    def dead(self, destination: str) -> list[Message]:
        return self.read(self.topics.dead(destination))

    def log(self) -> list[dict[str, Any]]:
        return [orjson.loads(message.value() or b"") for message in self.read(self.topics.delivery_log)]

    def totals(self, destination: str) -> tuple[int, int]:
        """Delivered and dead, as committed."""
        consumer = Consumer(clients.consumer(self.cluster, self.topics.deliver_group(destination)))
        topics = self.topics.destination(destination), self.topics.retry(destination)
        wanted = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        places = stable_offsets(consumer, wanted, DEADLINE)
        consumer.close()
        counts = [orjson.loads(place.metadata)["n"] for place in places if place.metadata]
        return sum(count[0] for count in counts), sum(count[1] for count in counts)

    def move(self, group: str, topic: str, offset: int) -> None:
        """Commit this offset for every partition, as an operator's tool does: without metadata."""
        consumer = Consumer(clients.consumer(self.cluster, group))
        places = [TopicPartition(topic, number, offset) for number in range(PARTITIONS)]
        consumer.commit(offsets=places, asynchronous=False)
        consumer.close()


class Deliver:
    """One process of `router deliver`."""

    def __init__(self, stage: Stage, arguments: Sequence[str] = ()) -> None:
        command = [
            sys.executable, "-m", "router", "deliver", str(stage.file), "--bootstrap", stage.cluster.bootstrap,
            "--metrics", "127.0.0.1:0", "--state", str(stage.folder / "state"), *arguments,
        ]  # fmt: skip
        environment = dict(os.environ) | ({"ROUTER_EMBEDDED": "1"} if stage.embedded else {})
        self.log = stage.folder / f"deliver-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    @property
    def page(self) -> str:
        """The address of its metrics page, once it is up."""
        eventually(lambda: b'"metrics"' in self.log.read_bytes(), "metrics page")
        lines = [orjson.loads(line) for line in self.log.read_bytes().splitlines() if b'"metrics"' in line]
        return str(lines[0]["metrics"])

    def metrics(self) -> dict[tuple[str, str], float]:
        """Sums over partitions, by name and destination."""
        with urllib.request.urlopen(self.page, timeout=DEADLINE) as answer:
            text = answer.read().decode()
        sums: dict[tuple[str, str], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name, sample.labels.get("destination", "")
                sums[key] = sums.get(key, 0.0) + sample.value
        return sums

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def pause(self) -> None:
        """SIGSTOP."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9; harmless when it has ended."""
        self.process.kill()
        self.process.wait(DEADLINE)


def eventually(holds: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.02)
