"""How long `router trace` takes for one id among many events of a day, as a user waits for it: the whole command.

usage: python -m ops.bench.trace [--events 10000000] [--routed 20000] [--partitions 12]

events.raw, events.resolved and the dedupe changelog are filled with events of the last 23 hours, as route would have
written them but for the ids in their bodies; then some are routed for real, which are looked for. While it is filled,
events.raw takes the times that it is given, as a day's events have them; afterwards the broker's, as always.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import orjson
import yaml
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from ops.bench import load
from ops.bench.latency import started
from ops.kafka.kraft import BENCH_JVM, KraftBroker
from router.config.loader import load_topology
from router.config.topics import topics_of
from router.dedupe.changelog import pack
from router.dedupe.window import Rows
from router.destinations.registry import destination_types
from router.events.topics import Topics
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster

HERE = Path(__file__).parent
ROUTER = [sys.executable, "-m", "router"]
SPAN_MS = 23 * 3_600_000
ROWS = 500  # ids a record of the changelog: a transaction's of one partition
PROFILES = 200_000


def topology(folder: Path, partitions: int) -> Path:
    sources = {"web": {"plan": str(HERE / "plan")}}
    destination = {"type": "webhook", "settings": {"url": "http://127.0.0.1:9/one", "allow_private": True}}
    path = folder / "trace.yaml"
    settings = {"name": "trace", "topics": {"partitions": partitions}, "default_source": "web", "sources": sources}
    path.write_text(yaml.safe_dump(settings | {"destinations": {"one": destination}}))
    return path


def fill(bootstrap: str, topics: Topics, count: int, partitions: int) -> None:
    """Events of the last 23 hours, evenly."""
    producer = Producer(clients.producer(Cluster(bootstrap)) | {"linger.ms": 20, "batch.num.messages": 20_000})
    bodies = [value for _, value in load.events(1000)]
    chance = random.Random(1)
    names = [f"p_{chance.getrandbits(128):032x}".encode() for _ in range(PROFILES)]
    begin = int(time.time() * 1000) - 24 * 3_600_000
    for number in range(count):
        at, body, key = begin + number * SPAN_MS // count, bodies[number % 1000], names[number * 7919 % PROFILES]
        for topic in (topics.raw, topics.resolved):
            load.produce(producer, topic, body, key=key, timestamp=at)
        if number % ROWS == 0:
            rows = Rows.of([os.urandom(16) for _ in range(ROWS)], range(at, at + ROWS), [b""] * ROWS)
            place = number // ROWS % partitions
            load.produce(producer, topics.dedupe_changelog, *pack(rows, [ROWS]), partition=place, timestamp=at)
    if producer.flush(300):
        raise SystemExit("the broker did not take the load")


def stamp(bootstrap: str, topic: str, kind: str) -> None:
    """Whose time a topic's messages have from now on: CreateTime or LogAppendTime."""
    entry = ConfigEntry("message.timestamp.type", kind, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = AdminClient(clients.admin(Cluster(bootstrap)))  # kept until the answer is there
    for answer in client.incremental_alter_configs([resource]).values():
        answer.result()


def skip(bootstrap: str, topics: Topics) -> None:
    """Have route begin behind what was filled in, which looks as if it had been routed."""
    cluster = Cluster(bootstrap)
    ends = Admin(cluster).watermarks([(topics.raw, number) for number in range(topics.partitions)])
    places = [TopicPartition(topic, number, at.high) for (topic, number), at in ends.items()]
    moved = ConsumerGroupTopicPartitions(topics.route_group, places)
    client = AdminClient(clients.admin(cluster))  # kept until the answer is there
    for answer in client.alter_consumer_group_offsets([moved]).values():
        answer.result()


def route(stack: ExitStack, file: Path, bootstrap: str, topics: Topics, count: int) -> list[tuple[str, str]]:
    """messageId and user of some events that were routed."""
    state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="router-trace-")))
    command = [*ROUTER, "route", str(file), "--bootstrap", bootstrap, "--state", str(state)]
    started(stack, [*command, "--metrics", "127.0.0.1:0"])
    cluster = Cluster(bootstrap)
    places = [(topics.destination("one"), number) for number in range(topics.partitions)]
    load.send(bootstrap, topics.raw, count)
    last = -1
    while True:
        written = sum(at.high for at in Admin(cluster).watermarks(places).values())
        if written > 0.8 * count and written == last:
            break
        last = written
        time.sleep(5)
    sent = [orjson.loads(value) for _, value in load.events(count)]
    return [(sent[at]["messageId"], sent[at]["userId"]) for at in (10, count // 2, count - 10)]


def timed(file: Path, bootstrap: str, id_: str) -> str:
    begun = time.monotonic()
    command = [*ROUTER, "trace", id_, "--topology", str(file), "--bootstrap", bootstrap]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{time.monotonic() - begun:.2f} s, exit {ended.returncode}, {len(ended.stdout.splitlines())} lines"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=lambda text: int(float(text)), default=10_000_000)
    parser.add_argument("--routed", type=int, default=20_000)
    parser.add_argument("--partitions", type=int, default=12)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        bootstrap = stack.enter_context(KraftBroker(jvm=BENCH_JVM)).bootstrap
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="router-trace-")))
        file = topology(folder, arguments.partitions)
        topics = topics_of(load_topology([file], env={}, registry=destination_types()).topology)
        subprocess.run([*ROUTER, "topics", "apply", str(file), "--bootstrap", bootstrap], check=True)
        begun = time.monotonic()
        stamp(bootstrap, topics.raw, "CreateTime")
        fill(bootstrap, topics, arguments.events, arguments.partitions)
        stamp(bootstrap, topics.raw, "LogAppendTime")
        print(f"filled in {time.monotonic() - begun:.0f} s", flush=True)
        skip(bootstrap, topics)
        for message, user in route(stack, file, bootstrap, topics, arguments.routed):
            print(f"messageId: {timed(file, bootstrap, message)}", flush=True)
            print(f"user id: {timed(file, bootstrap, user)}", flush=True)
        print(f"an id that nobody has: {timed(file, bootstrap, 'no-such-id')}", flush=True)


if __name__ == "__main__":
    main()
