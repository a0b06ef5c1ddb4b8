"""Events/s and CPU of raw → destination topics: the bare loop and the chain, side by side in one run on one broker.

usage: python -m ops.bench.route [--events N] [--rows bare,chain-3,…] [--bootstrap HOST:PORT]

Each row reads the same preloaded events.raw with a group of its own. The clock runs from the first committed offset to
the last, so joining the group is not counted; CPU seconds are the process's own (psutil), per million events.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import yaml

from ops.bench import load
from ops.kafka.kraft import BENCH_JVM, KraftBroker
from router.events.topics import Topics
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster

HERE = Path(__file__).parent
PARTITIONS = 12


@dataclass
class Figure:
    row: str
    events_s: float
    cpu_per_million: float
    rss_mb: float


class Bench:
    """One broker, one load, several rows."""

    def __init__(self, bootstrap: str, count: int, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.count = count
        self.folder = folder
        self.admin = Admin(Cluster(bootstrap))
        self.raw = "events.raw"
        self.rows = 0

    def prepare(self) -> None:
        """Make the raw topic and fill it."""
        specs = Topics("bench", partitions=PARTITIONS).specs([])
        self.admin.create([spec for spec in specs if spec.name == self.raw])
        size = load.send(self.bootstrap, self.raw, self.count)
        print(f"{self.count} events of {size / self.count:.0f} bytes in {PARTITIONS} partitions", flush=True)

    def bare(self, destinations: int) -> Figure:
        targets = [f"bare{destinations}.dest.{number}" for number in range(destinations)]
        group = f"bare{destinations}.{time.time():.0f}"
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

    def chain(self, destinations: int, engine: str = "") -> Figure:
        self.rows += 1
        name = f"bench{destinations}{engine}-{self.rows}"
        topology = self._topology(name, destinations)
        common = ["--bootstrap", self.bootstrap, "--state", str(self.folder / "state")]
        router = [sys.executable, "-m", "router"]
        subprocess.run([*router, "topics", "apply", str(topology), *common[:2]], check=True, stdout=subprocess.DEVNULL)
        command = [*router, "route", str(topology), *common, "--metrics", "127.0.0.1:0"]
        if engine:
            command += ["--engine", engine]
        group = Topics(name, prefix=f"{name}.").route_group
        return self._measure(f"chain{' on ' + engine if engine else ''}, {destinations} destinations", command, group)

    def _topology(self, name: str, destinations: int) -> Path:
        base = yaml.safe_load((HERE / "bench.yaml").read_text())
        one = base["destinations"]["one"]
        base["name"] = name
        base["topics"]["prefix"] = f"{name}."  # a log of identities of its own: the row before has filled another
        base["sources"]["web"]["topics"] = [self.raw]
        base["destinations"] = {f"{name}-{number}": one for number in range(destinations)}
        base["sources"]["web"]["plan"] = str(HERE / "plan")
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(base))
        return path

    def _measure(self, row: str, command: list[str], group: str) -> Figure:
        process = subprocess.Popen(command, env={**os.environ, "ROUTER_LOG": "warning"})
        watched = psutil.Process(process.pid)
        try:
            begun = self._wait(group, 1, process)
            started, cpu = time.monotonic(), cpu_seconds(watched)
            self._wait(group, self.count, process)
            seconds, spent = time.monotonic() - started, cpu_seconds(watched) - cpu
            done = max(1, self.count - begun)  # a small load may be over before the first look
            figure = Figure(row, done / seconds, spent / done * 1e6, watched.memory_info().rss / 1e6)
        finally:
            process.terminate()
            process.wait(30)
        print(
            f"{figure.row:32} {figure.events_s:9,.0f} events/s {figure.cpu_per_million:6.1f} CPU s per million "
            f"{figure.rss_mb:6.0f} MB",
            flush=True,
        )
        return figure

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
    """Of all its threads so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


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
        bench = Bench(arguments.bootstrap, arguments.events, folder)
        bench.prepare()
        figures = [_row(bench, row) for row in arguments.rows.split(",")]
        _ratios(figures)
    finally:
        if broker is not None:
            broker.close()
        shutil.rmtree(folder, ignore_errors=True)


def _row(bench: Bench, row: str) -> Figure:
    kind, _, count = row.partition("-")
    if kind == "bare":
        return bench.bare(int(count))
    if kind == "plainfaust":
        return bench.plain_faust(int(count))
    return bench.chain(int(count), "faust" if kind == "faust" else "")


def _ratios(figures: list[Figure]) -> None:
    bare = [figure.events_s for figure in figures if figure.row.startswith("bare")]
    if not bare:
        return
    for figure in figures:
        if not figure.row.startswith("bare"):
            print(f"{figure.row}: {figure.events_s / (sum(bare) / len(bare)):.0%} of the bare loop")


if __name__ == "__main__":
    main()
