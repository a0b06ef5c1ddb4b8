"""What looking costs: console and insights at rest, live tables against the chain's speed, a tab that stays open.

usage: python -m ops.bench.console [--parts idle,chain,tab] [--events 40000] [--debuggers 50] [--rounds 4]
                                   [--idle-seconds 60] [--refreshes 500]

All of `router up` on a real Kafka. First it idles. Then the same load is routed in turns without and with live tables
that show every event; their clients run on this machine too, and so take from the same cores. Last, one live table
stays open and pages are loaded again and again: the console's memory after each eighth of it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import psutil
import yaml

from ops.bench import load
from ops.bench.route import cpu_seconds
from ops.kafka.kraft import BENCH_JVM, KraftBroker, free_port
from router.events.topics import Topics
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster

NAME, PARTITIONS = "looking", 12
SETTLE_SECONDS, READY_SECONDS = 20.0, 120.0
LOOKING = ("console", "insights")
PARTS = ("idle", "chain", "tab")
EIGHTHS = 8
PAGES = (
    *("/", "/sources/web", "/destinations/lake", "/operations", "/destinations/lake?tab=filtered"),
    *("/destinations/lake?tab=letters", "/destinations/lake?tab=try", "/plans"),
)


class Running:
    """`router up` with console and insights, and what its processes are."""

    def __init__(self, stack: ExitStack, folder: Path, bootstrap: str) -> None:
        file = folder / "looking.yaml"
        lake = {"type": "file", "settings": {"path": str(folder / "lake")}}
        file.write_text(
            yaml.safe_dump(
                {
                    "name": NAME,
                    "topics": {"partitions": PARTITIONS},
                    "default_source": "web",
                    "sources": {"web": {}},
                    "destinations": {"lake": lake},
                }
            )
        )
        self.topics = Topics(NAME, partitions=PARTITIONS)
        self.bootstrap = bootstrap
        self.console, metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
        router = [sys.executable, "-m", "router"]
        common = [str(file), "--bootstrap", bootstrap]
        subprocess.run([*router, "topics", "apply", *common], check=True, stdout=subprocess.DEVNULL)
        gateway, insights = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self._process = subprocess.Popen(
            [*router, "up", *common, "--state", str(folder / "state"), "--console", self.console, "--metrics", metrics,
             "--gateway", gateway, "--insights", insights],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        stack.callback(self._process.wait, 60)
        stack.callback(self._process.terminate)
        self._wait(f"http://{metrics}/readyz")

    def _wait(self, url: str) -> None:
        until = time.monotonic() + READY_SECONDS
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
                return
            if time.monotonic() > until or self._process.poll() is not None:
                raise SystemExit("router up did not become ready")
            time.sleep(0.5)

    def processes(self) -> dict[str, psutil.Process]:
        """By what they do: gateway, route, deliver, console, insights."""
        children = psutil.Process(self._process.pid).children()
        return {one.cmdline()[one.cmdline().index("router") + 1]: one for one in children}

    def route(self, count: int, seed: int) -> tuple[float, float]:
        """Produce so many events; seconds until they are routed, and CPU seconds of routing and delivery by then."""
        places = [(self.topics.raw, number) for number in range(PARTITIONS)]
        admin = Admin(Cluster(self.bootstrap))
        chain = [self.processes()[name] for name in ("route", "deliver")]
        before = sum(map(cpu_seconds, chain))
        started = time.monotonic()
        load.send(self.bootstrap, self.topics.raw, count, seed)
        ends = {place: at.high for place, at in admin.watermarks(places).items()}
        while True:
            committed = admin.committed(self.topics.route_group, places, stable=False)
            if all(committed[place].offset >= end for place, end in ends.items() if end and place in committed):
                return time.monotonic() - started, sum(map(cpu_seconds, chain)) - before
            time.sleep(0.02)


@contextlib.contextmanager
def debuggers(console: str, count: int) -> Iterator[list[int]]:
    """So many live tables of all events, each on a connection of its own; counts the bytes that they got."""
    got = [0]
    loop = asyncio.new_event_loop()

    async def one(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(f"http://{console}/live", origin=f"http://{console}") as socket:
            await socket.send_json({"source": "web"})
            async for message in socket:
                got[0] += len(message.data)

    async def all_() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(one(session) for _ in range(count)))

    task = loop.create_task(all_())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
    thread.start()
    time.sleep(2.0)
    try:
        yield got
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


def idle(running: Running, seconds: float) -> None:
    time.sleep(SETTLE_SECONDS)
    before = {name: cpu_seconds(one) for name, one in running.processes().items()}
    time.sleep(seconds)
    found = running.processes()
    shares = {name: (cpu_seconds(one) - before[name]) / seconds for name, one in found.items()}
    sizes = {name: one.memory_info().rss / 1e6 for name, one in found.items()}
    for name in found:
        print(f"idle     {name:8} {shares[name]:6.2%} of one core {sizes[name]:6.0f} MB", flush=True)
    share, size = (sum(one[name] for name in LOOKING) for one in (shares, sizes))
    print(f"idle     console and insights {share:.2%} of one core, {size:.0f} MB", flush=True)


def against_the_chain(running: Running, events: int, count: int, rounds: int) -> None:
    running.route(events, seed=1)  # not counted: files and caches are cold
    without, with_ = [], []
    for number in range(rounds):
        without.append(running.route(events, seed=10 + number))
        with debuggers(running.console, count) as got:
            with_.append(running.route(events, seed=100 + number))
        for what, (seconds, cpu) in (("without", without[-1]), (f"with {count}", with_[-1])):
            print(f"round {number + 1}  {what:8} {events / seconds:6.0f}/s, {cpu:.2f} s of the chain's CPU", flush=True)
        print(f"         {got[0] / 1e6:.1f} MB were sent to live tables", flush=True)
    for what, place in (("seconds", 0), ("CPU of the chain", 1)):
        ratios = [b[place] / a[place] for a, b in zip(without, with_, strict=True)]
        print(f"{what}: with / without {statistics.median(ratios):.2f} (median of {rounds} pairs)", flush=True)


def long_open(running: Running, refreshes: int, events: int) -> None:
    console = running.processes()["console"]
    with debuggers(running.console, 1) as got:
        for eighth in range(EIGHTHS):
            for number in range(refreshes // EIGHTHS):
                path = PAGES[number % len(PAGES)]
                urllib.request.urlopen(f"http://{running.console}{path}", timeout=30).close()
            running.route(events, seed=1000 + eighth)
            time.sleep(2.0)
            size, pages = console.memory_info().rss / 1e6, (eighth + 1) * (refreshes // EIGHTHS)
            print(
                f"tab      {pages:6} pages, {got[0] / 1e6:6.1f} MB of rows: {size:.0f} MB, "
                f"{console.num_threads()} threads, {console.num_fds()} descriptors", flush=True,
            )  # fmt: skip


def run(stack: ExitStack, chosen: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="router-console-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    running = Running(stack, folder, stack.enter_context(KraftBroker(jvm=BENCH_JVM)).bootstrap)
    if "idle" in chosen.parts:
        idle(running, chosen.idle_seconds)
    if "chain" in chosen.parts:
        against_the_chain(running, chosen.events, chosen.debuggers, chosen.rounds)
    if "tab" in chosen.parts:
        long_open(running, chosen.refreshes, chosen.events)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=lambda text: text.split(","), default=PARTS)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--debuggers", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--idle-seconds", type=float, default=60)
    parser.add_argument("--refreshes", type=int, default=500)
    with ExitStack() as stack:
        run(stack, parser.parse_args())


if __name__ == "__main__":
    main()
