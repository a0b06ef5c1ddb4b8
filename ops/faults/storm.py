"""One run: a router under load, faults by schedule, then rest, then the account of every event.

The loop belongs to the main thread, since processes die with the thread that started them; the load has threads of its
own. Metrics are read all along: each page must balance at any moment, and at rest the pages must agree with the topics.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.metrics_core import Metric

from ops.background import Background, Call
from ops.checker import Account
from ops.faults import disk
from ops.faults.disk import SmallDisk
from ops.faults.faults import FAULTS, Scene
from ops.faults.fleet import Fleet
from ops.faults.probes import Watched
from ops.faults.schedule import Step
from ops.kafka.kraft import KraftBroker, free_port
from ops.load import Load, send
from ops.post import post
from ops.world import WRITE_KEY, World
from router.errors import Unavailable
from router.process.snapshot import Snapshot, snapshot

TURN_SECONDS = 0.1
SAMPLE_SECONDS = 1.0
REST_SECONDS = 240.0
ENDLESS = 10_000_000


@dataclass(frozen=True)
class Setup:
    """What runs. `rate` and `posted` are events a second, straight to Kafka and through the gateway."""

    seed: int
    workers: int = 2
    partitions: int = 6
    rate: float = 400
    posted: float = 40
    senders: int = 2
    failing: float = 0.0  # the share of requests that the partner fails


@dataclass
class Felt:
    """A fault that was made, and how many seconds it was felt; None where that was not measured."""

    fault: str
    at: float
    seconds: float | None = None


@dataclass
class Outcome:
    """What a run came to. `problems` is empty when the router kept every promise."""

    seed: int
    felt: list[Felt] = field(default_factory=list)
    restores: list[float] = field(default_factory=list)
    exits: dict[str, list[int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    account: Account = field(default_factory=Account)
    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0


class Storm:
    """A running router with its load, within the `with` block of `storm`."""

    def __init__(self, scene: Scene, setup: Setup) -> None:
        self.scene = scene
        self.outcome = Outcome(setup.seed)
        self._setup = setup
        self._load = _load(scene, setup)
        self._watched: list[tuple[Felt, Watched]] = []
        self._restores: dict[tuple[str, int], float] = {}
        self._sampled = 0.0
        self._begun = time.monotonic()

    def begin(self) -> None:
        """Start the load."""
        self._load.start()
        self._begun = time.monotonic()

    def turn(self) -> None:
        """What is due now: ends of faults, restarts, measurements. Raises Unavailable after an end by no fault."""
        time.sleep(TURN_SECONDS)
        self.scene.end_due()
        self.scene.fleet.keep()
        if self.scene.broker.alive:
            self.scene.replays.keep()
        if self.scene.fleet.findings or self.scene.replays.findings:
            raise Unavailable("a process ended as none should")
        if self.scene.broker.alive:  # each question to one that is down would last until its timeout
            self._watched = [(felt, probe) for felt, probe in self._watched if not self._over(felt, probe)]
        if time.monotonic() - self._sampled > SAMPLE_SECONDS:
            self._sampled = time.monotonic()
            self._sample()

    def until(self, over: Callable[[], bool], seconds: float, what: str) -> None:
        """Turn until it is over. Raises Unavailable when it takes longer."""
        end = time.monotonic() + seconds
        while not over():
            if time.monotonic() > end:
                raise Unavailable(f"{what}: not in {seconds:.0f} s")
            self.turn()

    def make(self, fault: str) -> Felt:
        """Make a fault now; the seconds it is felt are filled in as the turns go on. Raises Unavailable."""
        felt = Felt(fault, time.monotonic() - self._begun)
        probe = FAULTS[fault](self.scene)
        self.outcome.felt.append(felt)
        if probe is not None:
            self._watched.append((felt, Watched(probe)))
        return felt

    def run(self, steps: Sequence[Step], tell: Callable[[Felt], None] = lambda _: None) -> None:
        """Make the faults of the schedule. One that cannot be made now, since the broker is away, comes later."""
        for step in steps:
            while time.monotonic() - self._begun < step.at or not self._made(step.fault):
                self.turn()
            tell(self.outcome.felt[-1])

    def _made(self, fault: str) -> bool:
        try:
            self.make(fault)
        except Unavailable:
            return False
        return True

    def calm(self, seconds: float = REST_SECONDS) -> None:
        """Until every fault is over and no longer felt, under load."""
        self.until(lambda: not self.scene.endings and not self._watched, seconds, "faults are felt")

    def stop_load(self) -> None:
        """Raises what a sender died of."""
        self._load.stop()

    def rest(self) -> Snapshot:
        """Stop the load, wait until all is final; what the metrics say then. Raises Unavailable."""
        self.stop_load()
        self.scene.end_due(all_of_them=True)
        routed = Watched(self.scene.routing())
        self.until(routed.look, REST_SECONDS, "events are not routed")
        merged = Watched(self.scene.merging())  # only now: what is routed may have brought links
        self.until(merged.look, REST_SECONDS, "merges are not written")
        self.scene.replays.finish()
        seen: list[Snapshot] = []

        def quiet() -> bool:
            page = _families(self.scene.fleet)
            seen[:] = [snapshot(page)]
            done = all(row.pending == 0 == row.taken for row in seen[0].destinations)
            return done and self._complete(page) and self.scene.fleet.ready()

        try:
            self.until(quiet, REST_SECONDS, "the router does not come to rest")
        except Unavailable as error:
            raise Unavailable(f"{error}\n{seen[0]}\n{self.scene.fleet.described()}") from error
        return seen[0]

    def _complete(self, page: Sequence[Metric]) -> bool:
        """Whether every partition has one owner that shows its counts; while they change hands nobody does."""
        topics = self.scene.world.topics
        rows = [sample for family in page if family.name == "router_events_received" for sample in family.samples]
        raw = sorted(int(row.labels["partition"]) for row in rows if row.labels["topic"] == topics.raw)
        merges = [sample for family in page if family.name == "router_identity_merges" for sample in family.samples]
        return raw == list(range(topics.partitions)) and len(merges) == 1

    def account(self) -> Outcome:
        """Come to rest and account for everything."""
        outcome = self.outcome
        seen = self.rest()
        replays = self.scene.replays
        outcome.account = self.scene.world.check(replayed=(replays.since, replays.until))
        ledger = self.scene.world.ledger
        outcome.acknowledged, outcome.refused = ledger.sent("ok"), ledger.sent("refused")
        outcome.unknown = ledger.sent("unknown")
        outcome.problems += [*outcome.account.problems, *outcome.account.against(seen), *self._findings()]
        outcome.restores = [seconds for seconds in self._restores.values() if seconds]
        members = [*self.scene.fleet.members, *self.scene.fleet.gone]
        outcome.exits = {member.name: member.exits for member in members if member.exits}
        return outcome

    def _findings(self) -> list[str]:
        return [*self.scene.fleet.findings, *self.scene.replays.findings]

    def _over(self, felt: Felt, watched: Watched) -> bool:
        if watched.look():
            felt.seconds = watched.seconds
            return True
        return False

    def _sample(self) -> None:
        """Every page balances by itself at any moment: its totals are those of one commit."""
        for member, page in self.scene.fleet.pages():
            seen = snapshot(page)
            if not seen.balanced:
                self.outcome.problems.append(f"{member.name}: the metrics do not balance: {seen}")
            for family in page:
                if family.name == "router_restore_seconds" and member.process is not None:
                    for sample in family.samples:
                        if sample.labels.get("store") == "window":
                            self._restores[member.name, member.process.pid] = sample.value


def _load(scene: Scene, setup: Setup) -> Background:
    """One thread straight to Kafka, some through the gateway."""
    world, seed = scene.world, setup.seed
    name = world.topics.name
    calls: list[Call] = [
        lambda stop: send(
            world.cluster, world.topics.raw, Load(name, ENDLESS, seed), world.ledger, rate=setup.rate, stop=stop
        )
    ]
    for number in range(setup.senders if setup.posted else 0):
        load = Load(f"{name}-g{number}", ENDLESS, seed + 1 + number, garbage=0, devices=200)
        calls.append(
            lambda stop, load=load: post(  # type: ignore[misc]
                scene.gateway, WRITE_KEY, load, world.ledger, rate=setup.posted / setup.senders, stop=stop
            )
        )
    return Background(calls)


@contextmanager
def storm(folder: Path, name: str, broker: KraftBroker, setup: Setup) -> Iterator[Storm]:
    """A router that is ready, its load begun; everything ends with the block."""
    with ExitStack() as stack:
        world = World(folder, name, broker.bootstrap, partitions=setup.partitions, failing=setup.failing)
        small = stack.enter_context(SmallDisk(folder / "state")) if disk.missing() is None else None
        stack.callback(world.close)
        world.make_topics()
        fleet = Fleet(world)
        stack.callback(fleet.close)
        gateway = ("127.0.0.1", free_port())
        scene = Scene(world, fleet, broker, gateway, small, random.Random(setup.seed))
        stack.callback(scene.close)
        fleet.add("gateway", "--gateway", "{}:{}".format(*gateway))
        fleet.add("deliver")
        for _ in range(setup.workers):
            fleet.add("route")
        fleet.wait_ready()
        running = Storm(scene, setup)
        running.begin()
        stack.callback(running.stop_load)
        yield running


def _families(fleet: Fleet) -> list[Metric]:
    return [family for _, page in fleet.pages() for family in page]
