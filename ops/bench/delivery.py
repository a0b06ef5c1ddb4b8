"""How fast `router deliver` empties a destination's topic into a partner on the same machine.

usage: python -m ops.bench.delivery [--events 20000] [--batches 1 100] [--bootstrap HOST:PORT]

The topic is filled first. The partner is a local HTTP receiver in a process of its own, which writes each event down
before it answers. The clock runs from the first tenth of the events to the last.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from pathlib import Path

import orjson
import psutil
import yaml
from confluent_kafka import Producer

from ops.bench import load
from ops.bench.latency import started
from ops.kafka.kraft import BENCH_JVM, KraftBroker
from ops.running import RECEIVER
from router.kafka import clients
from router.kafka.cluster import Cluster

PARTITIONS = 3
HEADERS: list[tuple[str, str | bytes | None]] = [("source", b"web"), ("type", b"track"), ("event", b"Order Completed")]
LOOK_SECONDS = 0.1
ROUTER = [sys.executable, "-m", "router"]


def topology(folder: Path, name: str, url: str, batch: int) -> Path:
    """One webhook destination with topics of its own."""
    settings = {"url": f"{url}/one", "allow_private": True}
    delivery = {"concurrency": 32} | ({"batch": {"count": batch, "age": "1ms"}} if batch > 1 else {})
    path = folder / "delivery.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "name": name,
                "topics": {"prefix": f"{name}.", "partitions": PARTITIONS},
                "sources": {"web": {}},
                "destinations": {"one": {"type": "webhook", "settings": settings, "delivery": delivery}},
            }
        )
    )
    return path


def fill(bootstrap: str, topic: str, count: int) -> None:
    """Events as fanout writes them."""
    producer = Producer(clients.producer(Cluster(bootstrap)))
    for number, (key, value) in enumerate(load.events(count)):
        body = orjson.loads(value) | {"messageId": f"m{number}", "receivedAt": "2026-01-01T00:00:00.000Z"}
        load.produce(producer, topic, orjson.dumps(body), key=key, headers=HEADERS)
        producer.poll(0)
    if producer.flush(120):
        raise SystemExit("the broker did not take the load")


def arrived(log: Path, count: int, process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """The time, and the CPU seconds the process has spent, when so many events are in the receiver's log."""
    seen, offset = 0, 0
    while seen < count:
        if process.poll() is not None:
            raise SystemExit(f"router deliver ended with {process.returncode}")
        time.sleep(LOOK_SECONDS)
        added = added_to(log, offset)
        seen, offset = seen + added.count(b"\n"), offset + len(added)
    spent = psutil.Process(process.pid).cpu_times()
    return time.monotonic(), spent.user + spent.system


def added_to(log: Path, offset: int) -> bytes:
    """What was written after the offset: reading all of it each time would take from the cores that are measured."""
    if not log.exists():
        return b""
    with log.open("rb") as lines:
        lines.seek(offset)
        return lines.read()


def row(stack: ExitStack, bootstrap: str, count: int, batch: int) -> str:
    name = f"delivery-{uuid.uuid4().hex[:8]}"
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="router-delivery-")))
    log = folder / "receipts.ndjson"
    receiver = started(stack, [sys.executable, "-m", *RECEIVER, "--receipts", str(log)], stdout=subprocess.PIPE)
    assert receiver.stdout is not None
    file = topology(folder, name, receiver.stdout.readline().decode().strip(), batch)
    common = [str(file), "--bootstrap", bootstrap]
    subprocess.run([*ROUTER, "topics", "apply", *common], check=True, stdout=subprocess.DEVNULL)
    fill(bootstrap, f"{name}.dest.one", count)
    own = ["--state", str(folder / "state"), "--metrics", "127.0.0.1:0"]
    process = started(stack, [*ROUTER, "deliver", *common, *own])
    first = count // 10
    (began, before), (ended, after) = arrived(log, first, process), arrived(log, count, process)
    rate, cpu = (count - first) / (ended - began), (after - before) / (count - first)
    return f"{batch} a request: {rate:,.0f} events/s, {1_000_000 * cpu:.0f} CPU seconds per million"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 100], help="events a request")
    parser.add_argument("--bootstrap", default="")
    arguments = parser.parse_args()
    with ExitStack() as broker:
        bootstrap = arguments.bootstrap or broker.enter_context(KraftBroker(jvm=BENCH_JVM)).bootstrap
        for batch in arguments.batches:
            with ExitStack() as stack:
                print(row(stack, bootstrap, arguments.events, batch), flush=True)


if __name__ == "__main__":
    main()
