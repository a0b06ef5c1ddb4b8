"""What the processes take: CPU while nothing happens, memory while a backlog is worked off.

usage: python -m ops.bench.footprint [--events 5000000] [--idle-seconds 60]

Gateway, route and deliver run as in production on a real Kafka. First they idle. Then route and deliver are stopped,
the backlog is produced, and both are started again: their memory is watched until all is routed. By then delivery has
nearly the whole backlog in a topic of its own before it.
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

from ops.bench import load
from ops.bench.latency import topology
from ops.bench.route import cpu_seconds
from ops.kafka.kraft import BENCH_JVM, KraftBroker, free_port
from ops.running import RECEIVER
from router.events.topics import Topics
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster

NAMES = ("gateway", "route", "deliver")
SETTLE_SECONDS = 10.0
PARTITIONS = 12


class Fleet:
    """One process of each kind; `start` may be called again for one that was stopped."""

    def __init__(self, stack: ExitStack, folder: Path, file: Path, bootstrap: str) -> None:
        self._stack = stack
        self._common = [str(file), "--bootstrap", bootstrap]
        self._state = ["--state", str(folder / "state")]
        self._router = [sys.executable, "-m", "router"]
        subprocess.run([*self._router, "topics", "apply", *self._common], check=True, stdout=subprocess.DEVNULL)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        for name in names:
            more = ["--gateway", f"127.0.0.1:{free_port()}"] if name == "gateway" else self._state
            command = [*self._router, name, *self._common, *more, "--metrics", "127.0.0.1:0"]
            process = self.running[name] = subprocess.Popen(command)
            self._stack.callback(process.wait, 60)
            self._stack.callback(process.terminate)

    def stop(self, *names: str) -> None:
        for name in names:
            self.running[name].terminate()
            self.running[name].wait(60)

    def processes(self) -> dict[str, psutil.Process]:
        return {name: psutil.Process(process.pid) for name, process in self.running.items()}


def idle(fleet: Fleet, seconds: float) -> None:
    """CPU of each process over some time without an event."""
    time.sleep(SETTLE_SECONDS)
    before = {name: cpu_seconds(process) for name, process in fleet.processes().items()}
    time.sleep(seconds)
    for name, process in fleet.processes().items():
        share = (cpu_seconds(process) - before[name]) / seconds
        print(f"idle     {name:8} {share:6.2%} of one core {process.memory_info().rss / 1e6:6.0f} MB", flush=True)


def backlog(fleet: Fleet, bootstrap: str, count: int) -> None:
    """Largest memory while `count` events are routed, from start to the last commit."""
    topics = Topics("latency", partitions=PARTITIONS)
    places = [(topics.raw, number) for number in range(PARTITIONS)]
    fleet.start("route", "deliver")
    largest = dict.fromkeys(("route", "deliver"), 0)
    started, done = time.monotonic(), 0
    admin = Admin(Cluster(bootstrap))
    while done < count:
        time.sleep(0.5)
        done = sum(row.offset for row in admin.committed(topics.route_group, places, stable=False).values())
        for name in largest:
            if fleet.running[name].poll() is not None:
                raise SystemExit(f"router {name} ended with {fleet.running[name].returncode}")
            process = psutil.Process(fleet.running[name].pid)
            largest[name] = max(largest[name], process.memory_info().rss)
    for name, size in largest.items():
        print(f"backlog  {name:8} {size / 1e6:6.0f} MB at most", flush=True)
    print(f"{count} events were routed in {time.monotonic() - started:.0f} s", flush=True)


def run(stack: ExitStack, arguments: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="router-footprint-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    bootstrap = stack.enter_context(KraftBroker(jvm=BENCH_JVM)).bootstrap
    receiver = subprocess.Popen(
        [sys.executable, "-m", *RECEIVER, "--receipts", str(folder / "receipts.ndjson")], stdout=subprocess.PIPE
    )
    stack.callback(receiver.terminate)
    assert receiver.stdout is not None
    fleet = Fleet(stack, folder, topology(folder, receiver.stdout.readline().decode().strip()), bootstrap)
    fleet.start(*NAMES)
    idle(fleet, arguments.idle_seconds)
    fleet.stop("route", "deliver")
    size = load.send(bootstrap, "events.raw", arguments.events)
    print(f"{arguments.events} events of {size / arguments.events:.0f} bytes wait", flush=True)
    backlog(fleet, bootstrap, arguments.events)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--idle-seconds", type=float, default=60)
    with ExitStack() as stack:
        run(stack, parser.parse_args())


if __name__ == "__main__":
    main()
