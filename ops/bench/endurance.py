"""Memory of a route worker over many events: whether it stays flat.

usage: python -m ops.bench.endurance [--events 50000000] [--window 4m]

Events are produced as fast as they are routed, each with a messageId of its own, of devices that come and go, with the
share of repeats and violations of the other benches. Ids are remembered for the window, some 5 bytes each: where it is
shorter than the run, what is remembered stops growing, and so must memory. The first column of the table is the events
routed so far, in millions.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import yaml
from confluent_kafka import Producer

from ops.bench import load
from ops.kafka.kraft import BENCH_JVM, KraftBroker
from router.events.topics import Topics
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster

HERE = Path(__file__).parent
TEMPLATES = 100_000  # events that come again with other ids
AHEAD = 400_000  # events that may wait
MILLION = 1_000_000
SHORT = {
    "log.retention.bytes": "100000000",
    "log.segment.bytes": "30000000",
    "log.retention.check.interval.ms": "10000",
}
MARK = 8  # characters of each id that tell one round from the next


class Rounds:
    """Events without end: each round has those of the load, of other devices."""

    def __init__(self) -> None:
        self._round = 0
        self._parts = [
            (_cut(key, [key[:MARK]]), _cut(value, _marks(key, value))) for key, value in load.events(TEMPLATES)
        ]

    def produce(self, producer: Producer, topic: str) -> None:
        """One round."""
        self._round += 1
        mark = b"a%07x" % self._round
        for key, value in self._parts:
            load.produce(producer, topic, mark.join(value), key=mark.join(key))
            producer.poll(0)


def _marks(key: bytes, value: bytes) -> list[bytes]:
    """The beginnings of the device's id and of the messageId."""
    begin = value.index(b'"messageId":"') + len(b'"messageId":"')
    return [key[:MARK], value[begin : begin + MARK]]


def _cut(text: bytes, marks: list[bytes]) -> list[bytes]:
    parts = [text]
    for mark in marks:
        parts = [cut for part in parts for cut in part.split(mark, 1)]
    return parts


def topology(folder: Path, window: str) -> Path:
    """That of the route bench with one destination and another window."""
    given = yaml.safe_load((HERE / "bench.yaml").read_text())
    given["name"] = "endurance"
    given["dedupe"] = {"window": window}
    given["sources"]["web"]["plan"] = str(HERE / "plan")
    given["destinations"] = {"one": given["destinations"]["one"]}
    path = folder / "endurance.yaml"
    path.write_text(yaml.safe_dump(given))
    return path


def run(stack: ExitStack, count: int, window: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="router-endurance-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    bootstrap = stack.enter_context(KraftBroker(jvm=BENCH_JVM, properties=SHORT)).bootstrap
    command = [sys.executable, "-m", "router"]
    common = [str(topology(folder, window)), "--bootstrap", bootstrap]
    subprocess.run([*command, "topics", "apply", *common], check=True, stdout=subprocess.DEVNULL)
    worker = subprocess.Popen(
        [*command, "route", *common, "--state", str(folder / "state"), "--metrics", "127.0.0.1:0"]
    )
    stack.callback(worker.wait, 60)
    stack.callback(worker.terminate)
    watch(worker, bootstrap, count)


def watch(worker: subprocess.Popen[bytes], bootstrap: str, count: int) -> None:
    """Feed the worker, and print its memory at each million."""
    admin, topics = Admin(Cluster(bootstrap)), Topics("endurance")
    partitions = admin.topics()[topics.raw]
    places = [(topics.raw, number) for number in range(partitions)]
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "lz4", "linger.ms": 20})
    rounds, process = Rounds(), psutil.Process(worker.pid)
    sent, done, told, started = 0, 0, 0, time.monotonic()
    while done < count:
        if worker.poll() is not None:
            raise SystemExit(f"router route ended with {worker.returncode}")
        if sent - done < AHEAD and sent < count:
            rounds.produce(producer, topics.raw)
            sent += TEMPLATES
        else:
            producer.flush(60)
            time.sleep(0.1)
        done = sum(max(0, row.offset) for row in admin.committed(topics.route_group, places, stable=False).values())
        if done // MILLION > told:
            told = done // MILLION
            size, seconds = process.memory_info().rss / 1e6, time.monotonic() - started
            print(f"{told:4} {size:6.0f} MB {seconds:6.0f} s {done / seconds:8,.0f} events/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50 * MILLION)
    parser.add_argument("--window", default="4m")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        run(stack, arguments.events, arguments.window)


if __name__ == "__main__":
    main()
