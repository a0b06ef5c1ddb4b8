"""Receive to partner accepted at a fixed rate, open loop: latency counts from when an event was due to be sent.

usage: python -m ops.bench.latency [--rate 1000] [--seconds 20] [--batch 1] [--partitions N] [--bootstrap HOST:PORT]

An event that had to wait for its turn counts as late (no coordinated omission). The partner is a local HTTP receiver in
a process of its own; router route and router deliver run as they do in production; Kafka is real, on this machine.
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

import orjson
import yaml
from confluent_kafka import Producer

from ops.bench import load
from ops.kafka.kraft import BENCH_JVM, KraftBroker
from ops.running import RECEIVER
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.receiver import read_log

HERE = Path(__file__).parent
DRAIN_SECONDS = 120
SLOT_SECONDS = 0.002  # what is due is sent in slots, late by this at most: the sender leaves the machine to the router
WARM_SECONDS = 45  # until then the JVM of the broker compiles more than it works


def topology(folder: Path, url: str, batch: int = 1, topics: dict[str, int] | None = None) -> Path:
    """One source, one webhook destination that takes up to `batch` events a request; without `topics` the default."""
    settings = {"url": f"{url}/one", "allow_private": True}
    delivery: dict[str, object] = {"concurrency": 32}
    if batch > 1:
        delivery["batch"] = {"count": batch, "age": "1ms"}
    destination = {"type": "webhook", "settings": settings, "delivery": delivery}
    path = folder / "latency.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "name": "latency",
                "topics": topics or {},
                "default_source": "web",
                "sources": {"web": {"plan": str(HERE / "plan")}},
                "destinations": {"one": destination},
            }
        )
    )
    return path


def send(bootstrap: str, rate: int, seconds: float, seed: int) -> dict[str, float]:
    """Send at the rate; returns when each messageId was due."""
    producer = Producer(clients.producer(Cluster(bootstrap)))
    made = [(key, value, orjson.loads(value)["messageId"]) for key, value in load.events(int(rate * seconds), seed)]
    due: dict[str, float] = {}
    started = time.time()
    for number, (key, value, name) in enumerate(made):
        at = started + number / rate
        while (ahead := at - time.time()) > 0:
            time.sleep(ahead + SLOT_SECONDS)
            producer.poll(0)
        due.setdefault(name, at)
        producer.produce("events.raw", value, key)
    producer.flush(30)
    return due


def percentiles(values: list[float]) -> str:
    values = sorted(values)
    shown = [(50, 0.5), (95, 0.95), (99, 0.99)]
    found = [f"P{name} {values[int(len(values) * share)] * 1000:.0f} ms" for name, share in shown]
    return f"{', '.join(found)}, longest {values[-1] * 1000:.0f} ms"


def run(stack: ExitStack, arguments: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="router-latency-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    bootstrap = arguments.bootstrap
    if not bootstrap:
        bootstrap = stack.enter_context(KraftBroker(jvm=BENCH_JVM)).bootstrap
    log = folder / "receipts.ndjson"
    receiver = started(stack, [sys.executable, "-m", *RECEIVER, "--receipts", str(log)], stdout=subprocess.PIPE)
    assert receiver.stdout is not None
    wanted = {"partitions": arguments.partitions, "destination_partitions": arguments.destination_partitions}
    topics = {name: count for name, count in wanted.items() if count}
    file = topology(folder, receiver.stdout.readline().decode().strip(), arguments.batch, topics)
    router = [sys.executable, "-m", "router"]
    common = [str(file), "--bootstrap", bootstrap]
    subprocess.run([*router, "topics", "apply", *common], check=True, stdout=subprocess.DEVNULL)
    for name in ("route", "deliver"):
        started(stack, [*router, name, *common, "--state", str(folder / "state"), "--metrics", "127.0.0.1:0"])
    time.sleep(8)
    _drained(send(bootstrap, arguments.rate, arguments.warm, seed=1), log)
    due = send(bootstrap, arguments.rate, arguments.seconds, seed=2)
    time.sleep(3)
    _report(due, log, arguments.rate)


def _drained(due: dict[str, float], log: Path) -> None:
    """Wait until all that warmed the processes up has arrived, but what broke the plan."""
    until = time.time() + DRAIN_SECONDS
    while len(read_log(log)) < 0.99 * len(due) and time.time() < until:
        time.sleep(1)


def started(stack: ExitStack, command: list[str], stdout: int | None = None) -> subprocess.Popen[bytes]:
    """A process that ends with the stack."""
    process = subprocess.Popen(command, stdout=stdout)
    stack.callback(process.wait, 30)
    stack.callback(process.terminate)
    return process


def _report(due: dict[str, float], log: Path, rate: int) -> None:
    arrived = {receipt["messageId"]: receipt["at"] for receipt in reversed(read_log(log))}
    latencies = [arrived[id_] - at for id_, at in due.items() if id_ in arrived]
    print(f"{rate} events/s: {len(latencies)} of {len(due)} arrived; {percentiles(latencies)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--batch", type=int, default=1, help="events a request")
    parser.add_argument("--partitions", type=int, default=0, help="of each topic; they make a transaction cost more")
    parser.add_argument("--destination-partitions", type=int, default=0, help="of the destination's topics")
    parser.add_argument("--warm", type=float, default=WARM_SECONDS, help="seconds at the same rate before")
    parser.add_argument("--bootstrap", default="")
    with ExitStack() as stack:
        run(stack, parser.parse_args())


if __name__ == "__main__":
    main()
