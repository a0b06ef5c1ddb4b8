"""What live deliveries feel of a partner that fails, and of a replay: latency from due to accepted, phase by phase.

usage: python -m ops.bench.repair [outages | replay] [--rate 150] [--seconds 30] [--faults down hang 500 ...]

outages: three destinations of every event; the third fails in each way between calm phases, and comes back. What counts
is the P95 of the other two against that of the calm phases beside it, and how soon the third has its first delivery.
replay: one destination, with and without a replay into it, by turns; medians of the rounds, and the CPU that each
process took, in hundredths of a core. All at a fixed rate, on a real Kafka.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil
import yaml

from ops.bench.latency import percentiles, send, started
from ops.bench.route import cpu_seconds
from ops.kafka.kraft import BENCH_JVM, KraftBroker
from router.receiver import read_log

HERE = Path(__file__).parent
ROUTER = [sys.executable, "-m", "router"]
FAULTS = ["down", "hang", "500", "429", "429,retry_after=2", "401", "garbage"]
WARM_SECONDS = 45.0  # until then the JVM of the broker compiles more than it works
BACK_SECONDS = 90.0
SETTLE_SECONDS = 2.0


class Phase(NamedTuple):
    """P50 and P95 in ms; hundredths of a core by process."""

    p50: float
    p95: float
    cores: dict[str, float]

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {share:.0f}" for name, share in self.cores.items())
        return f"P50 {self.p50:.1f} ms, P95 {self.p95:.1f} ms; % of a core: {shares}"


def middle(phases: Sequence[Phase]) -> Phase:
    """The median of each figure."""
    cores = {name: median(one.cores[name] for one in phases) for name in phases[0].cores}
    return Phase(median(one.p50 for one in phases), median(one.p95 for one in phases), cores)


class Partner:
    """A receiver in a process of its own, on one port whatever happens to it."""

    def __init__(self, stack: ExitStack, folder: Path, name: str) -> None:
        self.name, self.log = name, folder / f"{name}.ndjson"
        self._stack, self.url = stack, ""
        self.start()

    def start(self, fault: str = "") -> None:
        listen = self.url.removeprefix("http://") or "127.0.0.1:0"
        command = [*ROUTER, "receiver", "--quiet", "--listen", listen, "--receipts", str(self.log)]
        command += ["--fail", fault] if fault else []
        self._process = started(self._stack, command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().decode().strip()

    @property
    def pid(self) -> int:
        return self._process.pid

    def fail(self, fault: str) -> None:
        """Be this way from now on; `down` is a closed port, nothing is health."""
        self._process.kill()
        self._process.wait()
        if fault != "down":
            self.start(fault)

    def arrived(self) -> dict[str, float]:
        """When each message was first accepted."""
        return {receipt["messageId"]: receipt["at"] for receipt in reversed(read_log(self.log))}


class Stage:
    """Route and deliver on a real Kafka, and a partner for each destination."""

    def __init__(self, stack: ExitStack, names: Sequence[str], rate: int) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="router-repair-")))
        self.rate, self.seed = rate, 0
        self.partners = [Partner(stack, folder, name) for name in names]
        broker = stack.enter_context(KraftBroker(jvm=BENCH_JVM))
        self.bootstrap = broker.bootstrap
        self.file = self._topology(folder)
        common = [str(self.file), "--bootstrap", self.bootstrap]
        subprocess.run([*ROUTER, "topics", "apply", *common], check=True, stdout=subprocess.DEVNULL)
        shared = ["--state", str(folder / "state"), "--metrics", "127.0.0.1:0"]
        pids = {name: started(stack, [*ROUTER, name, *common, *shared]).pid for name in ("route", "deliver")}
        pids |= {"broker": broker.pid, **{f"partner {partner.name}": partner.pid for partner in self.partners}}
        self.processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self.live(WARM_SECONDS)

    def _topology(self, folder: Path) -> Path:
        destinations = {
            partner.name: {
                "type": "webhook",
                "settings": {"url": f"{partner.url}/{partner.name}", "allow_private": True},
                "delivery": {"concurrency": 16, "rate": f"{4 * self.rate}/s"},
            }
            for partner in self.partners
        }
        path = folder / "repair.yaml"
        sources = {"web": {"plan": str(HERE / "plan")}}
        settings = {"name": "repair", "topics": {"partitions": 4}, "default_source": "web", "sources": sources}
        path.write_text(yaml.safe_dump(settings | {"destinations": destinations}))
        return path

    def live(self, seconds: float) -> dict[str, float]:
        """Send for so long, and wait a little; returns when each message was due."""
        self.seed += 1
        due = send(self.bootstrap, self.rate, seconds, seed=self.seed)
        time.sleep(SETTLE_SECONDS)
        return due

    def measured(self, name: str, seconds: float, others: Mapping[str, psutil.Process]) -> Phase:
        """Of the first partner, and of the CPU that all processes took meanwhile."""
        processes = {**self.processes, **others}
        before = {one: cpu_seconds(process) for one, process in processes.items()}
        begun = time.monotonic()
        due = self.live(seconds)
        took = time.monotonic() - begun
        cores = {one: (cpu_seconds(process) - before[one]) / took * 100 for one, process in processes.items()}
        arrived = self.partners[0].arrived()
        late = sorted(arrived[id_] - at for id_, at in due.items() if id_ in arrived)
        phase = Phase(late[len(late) // 2] * 1000, late[int(len(late) * 0.95)] * 1000, cores)
        print(f"{name:<20} {len(late):>6} of {len(due)}  {phase}", flush=True)
        return phase

    def phase(self, name: str, seconds: float, partners: Sequence[Partner]) -> None:
        due = self.live(seconds)
        for partner in partners:
            arrived = partner.arrived()
            late = [arrived[id_] - at for id_, at in due.items() if id_ in arrived]
            print(f"{name:<20} {partner.name:<6} {len(late):>6} of {len(due)}  {percentiles(late)}", flush=True)


def outages(stack: ExitStack, rate: int, seconds: float, faults: Sequence[str]) -> None:
    stage = Stage(stack, ["one", "two", "third"], rate)
    third = stage.partners[2]
    for fault in faults:
        stage.phase("calm", seconds, stage.partners[:2])
        third.fail(fault)
        stage.phase(fault, seconds, stage.partners[:2])
        third.fail("")
        print(f"{fault:<20} {first_after(third)}", flush=True)
        _drained(stage, third, stage.partners[0])
    stage.phase("calm", seconds, stage.partners[:2])


def first_after(partner: Partner) -> str:
    """How long until the partner, back now, accepts something."""
    begun, before = time.time(), partner.log.stat().st_size
    while time.time() < begun + BACK_SECONDS:
        if partner.log.stat().st_size > before:
            return f"first delivery {time.time() - begun:.1f} s after its return"
        time.sleep(0.1)
    return f"no delivery within {BACK_SECONDS:.0f} s of its return"


def _drained(stage: Stage, late: Partner, other: Partner) -> None:
    """Wait until both have the same events; of one that does not come, its trace is printed."""
    until = time.time() + BACK_SECONDS
    while missing := other.arrived().keys() - late.arrived().keys():
        if time.time() > until:
            where = ["--topology", str(stage.file), "--bootstrap", stage.bootstrap]
            subprocess.run([*ROUTER, "trace", min(missing), *where], check=False)
            raise SystemExit(f"{late.name} lacks {len(missing)} of {len(other.arrived())} events")
        time.sleep(1)
    print(f"{'':<20} {late.name} has all {len(other.arrived())} events", flush=True)


def replay(stack: ExitStack, rate: int, seconds: float, rounds: int) -> None:
    stage = Stage(stack, ["one"], rate)
    until = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    alone, beside = [], []
    for _ in range(rounds):
        alone.append(stage.measured("live alone", seconds, {}))
        for running in replayed(stage, until):
            beside.append(stage.measured("beside a replay", seconds, {"replay": psutil.Process(running.pid)}))
            if running.poll() is not None:
                raise SystemExit("the replay was over before the phase: give it more to do")
    ratios = sorted(two.p95 / one.p95 for one, two in zip(alone, beside, strict=True))
    print(f"{'median alone':<20} {middle(alone)}\n{'median beside':<20} {middle(beside)}")
    print(f"P95 beside over alone, by rounds: {', '.join(f'{one:.2f}' for one in ratios)}; median {median(ratios):.2f}")


def replayed(stage: Stage, until: str) -> Iterator[subprocess.Popen[bytes]]:
    """While it is held, what was sent to warm up is sent again at the live rate."""
    command = [*ROUTER, "replay", "--to", "one", "--since", "1h", "--until", until, "--rate", str(stage.rate)]
    command += ["--topology", str(stage.file), "--bootstrap", stage.bootstrap]
    partner = stage.partners[0]
    with ExitStack() as own:
        before = len(read_log(partner.log))
        process = started(own, command, stdout=subprocess.DEVNULL)
        while len(read_log(partner.log)) == before:
            time.sleep(0.1)
        time.sleep(SETTLE_SECONDS)
        yield process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["outages", "replay"])
    parser.add_argument("--rate", type=int, default=150, help="events a second, to each destination")
    parser.add_argument("--seconds", type=float, default=30, help="of each phase")
    parser.add_argument("--rounds", type=int, default=2, help="of the replay's phases")
    parser.add_argument("--faults", nargs="+", default=FAULTS, help="down, or what `router receiver --fail` takes")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        if arguments.what == "outages":
            outages(stack, arguments.rate, arguments.seconds, arguments.faults)
        else:
            replay(stack, arguments.rate, arguments.seconds, arguments.rounds)


if __name__ == "__main__":
    main()
