"""What each fault does. One function a fault; each returns the probe that tells when it is no longer felt, if any can.

A fault that lasts (a frozen worker, a full disk) ends by itself: its function leaves an end with `Scene.later`.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from ops.faults.disk import SmallDisk
from ops.faults.fleet import Fleet, Member
from ops.faults.probes import Commits, CommittedPast, Probe, Ready, Received, VisiblePast, ends
from ops.faults.replays import Replaying, Replays
from ops.kafka.kraft import KraftBroker
from ops.world import REPLAYED, World
from router.config.options import Address
from router.errors import Unavailable
from router.kafka import clients
from router.kafka.failure import translated

FREEZE_SECONDS = clients.SESSION_MS / 1000 + 3
PAUSE_SECONDS = clients.TRANSACTION_MS / 1000 + 2
REFUSE_SECONDS = 8.0
REFUSED_BYTES, ACCEPTED_BYTES = 10, 1_048_588
FULL_SECONDS = 12.0
BROKER_DOWN_SECONDS = 1.0
OPEN_TRIES = 40
MOST_WORKERS = 4


@dataclass
class Scene:
    """What faults act on. `disk` is None where none can be mounted."""

    world: World
    fleet: Fleet
    broker: KraftBroker
    gateway: Address
    disk: SmallDisk | None
    chance: random.Random
    endings: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.routed = Commits(self.world.cluster, self.world.topics.route_group)
        self.merged = Commits(self.world.cluster, self.world.topics.merges_group)
        self.replays = Replays(self.world)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something done after so many seconds."""
        self.endings.append((time.monotonic() + seconds, call))

    def end_due(self, *, all_of_them: bool = False) -> None:
        now = time.monotonic()
        due = [call for at, call in self.endings if all_of_them or at <= now]
        self.endings = [(at, call) for at, call in self.endings if not (all_of_them or at <= now)]
        for call in due:
            call()

    def one(self, role: str) -> Member | None:
        """One of a role that runs, if any does."""
        found = self.fleet.of(role)
        return self.chance.choice(found) if found else None

    def routing(self) -> CommittedPast:
        """Over when what comes to events.raw right after the fault is routed, in every partition."""
        topics = self.world.topics
        return CommittedPast(self.routed, topics.raw, topics.partitions)

    def merging(self) -> CommittedPast:
        """Over when the merges of all links so far are written."""
        return CommittedPast(self.merged, self.world.topics.links, 1)

    def close(self) -> None:
        """End what still lasts; the broker serves again."""
        self.end_due(all_of_them=True)
        _start(self.broker)
        self.routed.close()
        self.merged.close()


Apply = Callable[[Scene], Probe | None]


def kill_route(scene: Scene) -> Probe | None:
    worker, probe = scene.one("route"), scene.routing()
    if worker is not None:
        scene.fleet.kill(worker)
    return probe


def kill_deliver(scene: Scene) -> Probe | None:
    sender = scene.one("deliver")
    if sender is None:
        return None
    probe = Received(scene.world.receipts, sender)
    scene.fleet.kill(sender)
    return probe


def kill_replay(scene: Scene) -> Probe | None:
    """Whatever it is at; from the first of these faults on there is always one to kill."""
    if not scene.replays.begun:
        scene.fleet.add("deliver", "--destination", REPLAYED, "--switched-off")
    scene.replays.kill()
    return Replaying(scene.replays)


def kill_gateway(scene: Scene) -> Probe | None:
    gateway = scene.one("gateway")
    if gateway is None:
        return None
    probe = Ready(gateway, again=True)
    scene.fleet.kill(gateway)
    return probe


def kill_broker(scene: Scene) -> Probe | None:
    """Raises Unavailable when it is down already."""
    _insist_on(scene.broker)
    probe = scene.routing()
    scene.broker.kill()
    scene.later(BROKER_DOWN_SECONDS, lambda: _start(scene.broker))
    return probe


def kill_two(scene: Scene) -> Probe | None:
    """Two of different kinds in the same moment. Raises Unavailable when the broker is down already."""
    _insist_on(scene.broker)
    both = scene.chance.sample([kill_route, kill_deliver, kill_gateway, kill_broker], 2)
    both.sort(key=lambda kill: kill is kill_broker)  # last: without it the other could not be observed
    return _Both([probe for kill in both if (probe := kill(scene)) is not None])


def freeze_route(scene: Scene) -> Probe | None:
    """SIGSTOP past its session, then SIGCONT: a zombie that believes it still owns its partitions."""
    worker, probe = scene.one("route"), scene.routing()
    if worker is not None:
        scene.fleet.freeze(worker)
        scene.later(FREEZE_SECONDS, lambda: scene.fleet.thaw(worker))
    return probe


def add_route(scene: Scene) -> Probe | None:
    if len(scene.fleet.of("route")) >= MOST_WORKERS:
        return remove_route(scene)
    return Ready(scene.fleet.add("route"))


def remove_route(scene: Scene) -> Probe | None:
    """SIGTERM, for good; the last one stays."""
    if len(scene.fleet.of("route")) < 2:
        return add_route(scene)
    worker, probe = scene.one("route"), scene.routing()
    assert worker is not None
    scene.fleet.remove(worker)
    return probe


def fill_disk(scene: Scene) -> Probe | None:
    """No room for state, and a worker has to start on it; then there is room again."""
    if scene.disk is None:
        return None
    worker, probe = scene.one("route"), scene.routing()
    scene.disk.fill()
    if worker is not None:
        scene.fleet.kill(worker)
    scene.later(FULL_SECONDS, scene.disk.free)
    return probe


def wipe_state(scene: Scene) -> Probe | None:
    """A worker comes back without its state."""
    worker, probe = scene.one("route"), scene.routing()
    if worker is not None:
        scene.fleet.kill(worker)
    for folder in free_slots(scene.world.folder / "state" / scene.world.topics.name):
        shutil.rmtree(folder)
    return probe


def pause_broker(scene: Scene) -> Probe | None:
    """SIGSTOP for longer than sessions and transactions last: all of them are over when it goes on.

    Raises Unavailable when it is down already.
    """
    _insist_on(scene.broker)
    probe = scene.routing()
    os.kill(scene.broker.pid, signal.SIGSTOP)
    scene.later(PAUSE_SECONDS, lambda: _continue(scene.broker))
    return probe


def refuse_transactions(scene: Scene) -> Probe | None:
    """The coordinator cannot write its log: every transaction is refused, all else works; then the broker is restarted.

    Kafka 4.1 does not take up again by itself a transaction whose end it could not write: it answers
    CONCURRENT_TRANSACTIONS to that transactional id until the log is read anew.
    """
    probe = scene.routing()
    _limit_coordinator(scene, REFUSED_BYTES)
    scene.later(REFUSE_SECONDS, lambda: _accept_transactions(scene))
    return probe


def kill_for_good(scene: Scene) -> Probe | None:
    """A worker is killed in mid-transaction and does not come back; another one is added when readers see on."""
    if len(scene.fleet.of("route")) < 2:
        return add_route(scene)
    worker = scene.one("route")
    assert worker is not None
    wanted = stopped_in_transaction(scene, worker)
    scene.fleet.remove(worker, force=True)
    return VisiblePast(scene.world.cluster, scene.world.topics.resolved, wanted)


def stopped_in_transaction(scene: Scene, worker: Member) -> dict[tuple[str, int], int]:
    """Freeze the worker while a transaction of its is open; returns what stands in events.resolved by then.

    Raises Unavailable.
    """
    topics = scene.world.topics
    for _ in range(OPEN_TRIES):
        scene.fleet.freeze(worker)
        met = False
        try:
            written = ends(scene.world.cluster, topics.resolved, topics.partitions)
            time.sleep(0.3)  # transactions of others, open when those ends were read, are over by now
            seen = ends(scene.world.cluster, topics.resolved, topics.partitions, uncommitted=False)
            met = any(seen[place] < end for place, end in written.items())
        finally:
            if not met:  # also where nobody answers in time: the fault is made later, of any worker
                scene.fleet.thaw(worker)
        if met:
            return written
        time.sleep(scene.chance.uniform(0, 0.2))
    raise RuntimeError(f"{worker.name} was never met in a transaction")


def free_slots(root: Path) -> Iterator[Path]:
    """Workers' folders that no worker holds."""
    for folder in sorted(root.glob("route-*")):
        with (folder / "lock").open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield folder


class _Both:
    """Over when all of them are."""

    def __init__(self, probes: list[Probe]) -> None:
        self._probes = probes

    def over(self) -> bool:
        self._probes = [probe for probe in self._probes if not probe.over()]
        return not self._probes


def _insist_on(broker: KraftBroker) -> None:
    if not broker.alive:
        raise Unavailable("the broker is away")


def _start(broker: KraftBroker) -> None:
    if not broker.alive:
        broker.start()


def _continue(broker: KraftBroker) -> None:
    if broker.alive:
        os.kill(broker.pid, signal.SIGCONT)


def _accept_transactions(scene: Scene) -> None:
    try:
        _limit_coordinator(scene, ACCEPTED_BYTES)
    except Unavailable:
        scene.later(1.0, lambda: _accept_transactions(scene))  # the broker has been killed meanwhile
        return
    scene.broker.kill()
    scene.later(BROKER_DOWN_SECONDS, lambda: _start(scene.broker))


def _limit_coordinator(scene: Scene, size: int) -> None:
    """The largest record that the transaction coordinator can write, in bytes. Raises Unavailable."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ResourceType.TOPIC, "__transaction_state", incremental_configs=[entry])
    client = AdminClient(clients.admin(scene.world.cluster))  # kept until the answer is there
    with translated("settings of the coordinator"):
        for answer in client.incremental_alter_configs([topic], request_timeout=2).values():
            answer.result()


FAULTS: dict[str, Apply] = {
    "kill-route": kill_route,
    "kill-deliver": kill_deliver,
    "kill-replay": kill_replay,
    "kill-gateway": kill_gateway,
    "kill-broker": kill_broker,
    "kill-two": kill_two,
    "freeze-route": freeze_route,
    "add-route": add_route,
    "remove-route": remove_route,
    "fill-disk": fill_disk,
    "wipe-state": wipe_state,
    "pause-broker": pause_broker,
    "refuse-transactions": refuse_transactions,
    "kill-for-good": kill_for_good,
}
