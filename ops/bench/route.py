"""Events/s and CPU of raw → destination topics: the bare loop and the chain, side by side in one run on one broker.

usage: python -m ops.bench.route [--events N] [--rows bare,chain-3,…] [--bootstrap HOST:PORT]

Each row reads the same preloaded events.raw with a group of its own. The clock runs from a tenth of the events to 95 %,
by committed offsets, so neither joining the group nor the last half batch counts; CPU seconds are per million events of
these, those of the process under test and those of the broker. Rows that are not counted come first, a bare loop and
a chain: the broker's compiler is at work then. What others took of the cores stands beside each row; where that is more
than 0.2, the row says so and is left out of the ratios. A row `chain-3-python` runs with ROUTER_NATIVE=0, a row
`chain-3-2` two workers, and in a row `chain-3-broken` each event has four violations that the plan allows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import psutil
import yaml

from ops.bench import load
from ops.kafka.kraft import BENCH_JVM, KraftBroker
from router.events.topics import Topics
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster

HERE = Path(__file__).parent
PARTITIONS = 12
FIRST, LAST = 0.1, 0.95  # shares of the events between which the clock runs
DISTURBED = 0.2  # cores that others may take


@dataclass
class Figure:
    row: str
    events_s: float
    cpu_per_million: float
    broker_per_million: float  # 0 where the broker is not a process of this machine
    others: float  # cores that other processes took meanwhile
    rss_mb: float

    @property
    def topics(self) -> int:
        """Each event goes to so many."""
        return int(self.row.split(", ")[1].split()[0])

    @property
    def quiet(self) -> bool:
        return self.others <= DISTURBED

    def __str__(self) -> str:
        return (
            f"{self.row:36} {self.events_s:9,.0f} events/s {self.cpu_per_million:6.1f} CPU s per million "
            f"{self.broker_per_million:6.1f} of the broker {self.rss_mb:6.0f} MB {self.others:5.2f} cores for others"
            f"{'' if self.quiet else ': disturbed'}"
        )


class Spent(NamedTuple):
    """CPU seconds so far: of a process, of the broker, and of all there are on the machine."""

    at: float
    own: float
    broker: float
    all: float


class Bench:
    """One broker, one load, several rows."""

    def __init__(self, bootstrap: str, count: int, folder: Path, broker: int | None = None) -> None:
        """`broker` is its process id, if it runs on this machine."""
        self.bootstrap = bootstrap
        self.broker = psutil.Process(broker) if broker else None
        self.count = count
        self.folder = folder
        self.admin = Admin(Cluster(bootstrap))
        self.raw = "events.raw"
        self.broken = ""  # the topic of events that break their plan, once there is one
        self.rows = 0

    def prepare(self) -> None:
        """Make the raw topic and fill it."""
        size = self._fill(self.raw)
        print(f"{self.count} events of {size / self.count:.0f} bytes in {PARTITIONS} partitions", flush=True)

    def _fill(self, name: str, *, broken: bool = False) -> int:
        specs = Topics("bench", partitions=PARTITIONS).specs([])
        self.admin.create([replace(spec, name=name) for spec in specs if spec.name == self.raw])
        return load.send(self.bootstrap, name, self.count, broken=broken)

    def bare(self, destinations: int) -> Figure:
        targets = [f"bare{destinations}.dest.{number}" for number in range(destinations)]
        group = f"bare{destinations}.{time.time():.3f}"
        self._create(targets)
        command = [sys.executable, str(HERE / "bare.py"), self.bootstrap, group, self.raw, *targets]
        return self._measure(f"bare loop, {destinations} topics", command, group)

    def plain_faust(self, destinations: int) -> Figure:
        self.rows += 1
        group = f"plainfaust{destinations}-{self.rows}"
        targets = [f"{group}.dest.{number}" for number in range(destinations)]
        self._create([*targets, f"{group}.blocked"])
        command = [sys.executable, "-m", "ops.bench.plain_faust", self.bootstrap, group, self.raw, *targets]
        return self._measure(f"plain Faust app, {destinations} topics", command, group)

    def _create(self, names: list[str]) -> None:
        """Topics with the settings of events.resolved."""
        specs = Topics("bare", partitions=PARTITIONS).specs([])
        resolved = next(spec for spec in specs if spec.name == "events.resolved")
        self.admin.create([replace(resolved, name=name) for name in names])

    def breaking(self, destinations: int) -> Figure:
        """The chain over events of which each has four violations, all allowed."""
        if not self.broken:
            self.broken = "events.broken"
            self._fill(self.broken, broken=True)
        conforming, self.raw = self.raw, self.broken
        try:
            return self.chain(destinations, violations="allow")
        finally:
            self.raw = conforming

    def chain(
        self, destinations: int, engine: str = "", *, native: bool = True, workers: int = 1, violations: str = "block"
    ) -> Figure:
        self.rows += 1
        name = f"bench{destinations}{engine}-{self.rows}"
        topology = self._topology(name, destinations, violations)
        common = ["--bootstrap", self.bootstrap, "--state", str(self.folder / "state")]
        router = [sys.executable, "-m", "router"]
        subprocess.run([*router, "topics", "apply", str(topology), *common[:2]], check=True, stdout=subprocess.DEVNULL)
        command = [*router, "route", str(topology), *common, "--metrics", "127.0.0.1:0"]
        if engine:
            command += ["--engine", engine]
        if workers > 1:
            command += ["--workers", str(workers)]
        group = Topics(name, prefix=f"{name}.").route_group
        row = f"chain{' on ' + engine if engine else ''}, {destinations} destinations"
        row += f", {workers} workers" if workers > 1 else ""
        row += ", four violations" if violations == "allow" else ""
        if native:
            return self._measure(row, command, group)
        return self._measure(f"{row}, Python", command, group, {"ROUTER_NATIVE": "0"})

    def _topology(self, name: str, destinations: int, violations: str) -> Path:
        base = yaml.safe_load((HERE / "bench.yaml").read_text())
        one = base["destinations"]["one"]
        base["name"] = name
        base["topics"]["prefix"] = f"{name}."  # a log of identities of its own: the row before has filled another
        base["sources"]["web"]["topics"] = [self.raw]
        if violations == "allow":
            base["sources"]["web"]["enforce"] = {"violation": "allow", "unplanned_property": "allow"}
        base["destinations"] = {f"{name}-{number}": one for number in range(destinations)}
        base["sources"]["web"]["plan"] = str(HERE / "plan")
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(base))
        return path

    def _measure(self, row: str, command: list[str], group: str, environment: Mapping[str, str] = {}) -> Figure:
        process = subprocess.Popen(command, env={**os.environ, "ROUTER_LOG": "warning", **environment})
        watched = psutil.Process(process.pid)
        try:
            begun, before = self._wait(group, max(1, int(FIRST * self.count)), process), self._spent(watched)
            ended, after = self._wait(group, int(LAST * self.count), process), self._spent(watched)
            done = max(1, ended - begun)  # a small load may be over before the first look
            seconds, own, broker, everything = (one - other for one, other in zip(after, before, strict=True))
            others = max(0.0, everything - own - broker) / seconds
            rss_mb = sum(one.memory_info().rss for one in _family(watched)) / 1e6
            figure = Figure(row, done / seconds, own / done * 1e6, broker / done * 1e6, others, rss_mb)
            self._wait(group, self.count, process)
        finally:
            process.terminate()
            process.wait(30)
        print(figure, flush=True)
        return figure

    def _spent(self, process: psutil.Process) -> Spent:
        machine = psutil.cpu_times()
        broker = cpu_seconds(self.broker) if self.broker else 0.0
        busy = machine.user + machine.nice + machine.system + machine.irq + machine.softirq
        return Spent(time.monotonic(), cpu_seconds(process), broker, busy)

    def _wait(self, group: str, least: int, process: subprocess.Popen[bytes]) -> int:
        partitions = [(self.raw, number) for number in range(PARTITIONS)]
        while True:
            committed = self.admin.committed(group, partitions, stable=False)
            done = sum(found.offset for found in committed.values() if found.offset > 0)
            if done >= least:
                return done
            if process.poll() is not None:
                raise SystemExit(f"the process under test ended with {process.returncode}")
            time.sleep(0.02)


def cpu_seconds(process: psutil.Process) -> float:
    """Of all its threads so far, and of its children."""
    times = [one.cpu_times() for one in _family(process)]
    return float(sum(each.user + each.system for each in times))


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rows", default="bare-3,chain-1,chain-3,chain-10,bare-3")
    parser.add_argument("--bootstrap", default="")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="router-bench-"))
    broker = None
    try:
        if not arguments.bootstrap:
            broker = KraftBroker(jvm=BENCH_JVM)
            arguments.bootstrap = broker.start()
        bench = Bench(arguments.bootstrap, arguments.events, folder, broker.pid if broker else None)
        bench.prepare()
        print("not counted:", flush=True)
        bench.bare(3)
        bench.chain(3)
        print("counted:", flush=True)
        figures = [_row(bench, row) for row in arguments.rows.split(",")]
        _ratios(figures)
    finally:
        if broker is not None:
            broker.close()
        shutil.rmtree(folder, ignore_errors=True)


def _row(bench: Bench, row: str) -> Figure:
    kind, count, *way = row.split("-")
    if kind == "bare":
        return bench.bare(int(count))
    if kind == "plainfaust":
        return bench.plain_faust(int(count))
    if way == ["broken"]:
        return bench.breaking(int(count))
    workers = int(way[0]) if way and way[0].isdecimal() else 1
    return bench.chain(int(count), "faust" if kind == "faust" else "", native=way != ["python"], workers=workers)


def _ratios(figures: list[Figure]) -> None:
    """Of the rows of a quiet machine; where there are not any, of all, and it says so."""
    quiet = [figure for figure in figures if figure.quiet]
    if not any(figure.row.startswith("bare") for figure in quiet):
        quiet = figures
        print("the machine was not quiet: ratios are of disturbed rows")
    bare = [figure for figure in quiet if figure.row.startswith("bare")]
    if not bare:
        return
    for figure in quiet:
        beside = [one for one in bare if one.topics == figure.topics]
        if beside and not figure.row.startswith("bare"):
            rate, cpu = mean(one.events_s for one in beside), mean(one.cpu_per_million for one in beside)
            times = figure.cpu_per_million / cpu if cpu else 0.0
            print(f"{figure.row}: {times:.1f} times the CPU, {figure.events_s / rate:.0%} of the rate of the bare loop")


if __name__ == "__main__":
    main()
