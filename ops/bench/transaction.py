"""What one small transaction costs by the number of partitions it writes to: the floor under the latency of route.

usage: python -m ops.bench.transaction [--partitions 1 3 12] [--count 1500] [--bootstrap HOST:PORT]

As a route worker under light load does it, with two producers by turns: fifteen events of 750 bytes to two topics, one
changelog record for each input partition, their offsets, commit. Nothing else runs meanwhile but the broker.
"""

from __future__ import annotations

import argparse
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from ops.kafka.kraft import BENCH_JVM, KraftBroker
from router.events.topics import TopicSpec
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster

EVENTS = 15
PAUSE_SECONDS = 0.004
STEPS = ("begin", "produce", "offsets", "flush", "commit")


class Transactions:
    """Topics of their own with so many partitions, and what takes how long, in seconds, by step."""

    def __init__(self, cluster: Cluster, partitions: int) -> None:
        name = f"bench-{uuid.uuid4().hex[:8]}"
        self._partitions = partitions
        self._source, *self._targets, self._changelog = [f"{name}.{topic}" for topic in ("in", "a", "b", "changelog")]
        topics = [self._source, *self._targets, self._changelog]
        Admin(cluster).create([TopicSpec(topic, partitions) for topic in topics])
        consumer = Consumer(clients.consumer(cluster, name))
        consumer.commit(offsets=[TopicPartition(self._source, 0, 0)], asynchronous=False)  # makes the group
        self._consumer = consumer
        self._producers = [Producer(clients.transactional(cluster, f"{name}{suffix}")) for suffix in ("", "-other")]
        for producer in self._producers:
            producer.init_transactions(30)
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)

    def run(self, count: int) -> None:
        group = self._consumer.consumer_group_metadata()
        for number in range(count):
            producer = self._producers[number % 2]
            offsets = [TopicPartition(self._source, at, number + 1) for at in range(self._partitions)]
            self._timed("begin", producer.begin_transaction)
            self._timed("produce", self._produce, producer)
            self._timed("offsets", producer.send_offsets_to_transaction, offsets, group, 30)
            self._timed("flush", producer.flush, 30)
            self._timed("commit", producer.commit_transaction, 30)
            time.sleep(PAUSE_SECONDS)

    def _timed(self, step: str, call: Callable[..., object], *arguments: Any) -> None:
        started = time.perf_counter()
        call(*arguments)
        self.seconds[step].append(time.perf_counter() - started)

    def _produce(self, producer: Producer) -> None:
        for number in range(EVENTS):
            for target in self._targets:
                producer.produce(target, bytes(750), partition=number % self._partitions)
        for number in range(min(EVENTS, self._partitions)):
            producer.produce(self._changelog, bytes(100), partition=number)

    def report(self) -> str:
        """Medians in milliseconds, the first third left out: the broker's JVM warms up."""
        rows = [self.seconds[step][len(self.seconds[step]) // 3 :] for step in STEPS]
        steps = ", ".join(f"{step} {_median(row):.1f}" for step, row in zip(STEPS, rows, strict=True))
        whole = _median([sum(row) for row in zip(*rows, strict=True)])
        return f"{3 * min(EVENTS, self._partitions)} partitions written: {whole:.1f} ms ({steps})"


def _median(seconds: list[float]) -> float:
    return 1000 * statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, nargs="+", default=[1, 3, 12], help="of each topic")
    parser.add_argument("--count", type=int, default=1500, help="transactions for each")
    parser.add_argument("--bootstrap", default="")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        bootstrap = arguments.bootstrap or stack.enter_context(KraftBroker(jvm=BENCH_JVM)).bootstrap
        for partitions in arguments.partitions:
            transactions = Transactions(Cluster(bootstrap), partitions)
            transactions.run(arguments.count)
            print(transactions.report(), flush=True)


if __name__ == "__main__":
    main()
