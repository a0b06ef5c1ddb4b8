"""The crash-point model: the real worker over an in-memory Kafka where any effect may be the last.

exactly_once loses and repeats nothing at any point; at_least_once loses nothing and repeats what was in flight.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.agents.agent import Agent
from router.agents.batch import Batch
from router.agents.dedupe import Dedupe
from router.agents.emit import Emit
from router.agents.events import Events
from router.agents.isolate import Isolated
from router.agents.pipeline import Pipeline
from router.agents.route import Route, subscription
from router.agents.validate import Validate
from router.agents.verdict import Enforcement
from router.config.models import DestinationConfig, Enforce
from router.dedupe.window import First, Rows
from router.events.event import Event
from router.events.topics import Topics
from router.identity import profile_id
from router.kafka.group_consumer import GroupConsumer
from router.kafka.transactions import AlternatingWriters, TransactionalWriter
from router.kafka.writer import Writer
from router.process.health import Health
from router.worker.active_topology import ActiveTopology
from router.worker.checkpoint import AtLeastOnce, Checkpoint, ExactlyOnce
from router.worker.loop import Components, Worker
from router.worker.partition import RoutePartition
from router.worker.restore import Restore
from tests.agents.messages import decode, track
from tests.worker.fake_kafka import Crash, FakeConsumer, FakeKafka, FakeProducer, Fuse, Place

TOPICS = Topics("shop", partitions=2)
PLACES: list[Place] = [(TOPICS.raw, 0), (TOPICS.raw, 1)]
WINDOW = 86_400_000


class Disk:
    """The local store: what `write` finished survives the crash; `lost` is a wiped state directory."""

    def __init__(self) -> None:
        self.rows: dict[bytes, First] = {}
        self.checkpoints: dict[int, int] = {}


class Store:
    """The window over a Disk; each write is one effect."""

    def __init__(self, disk: Disk, fuse: Fuse) -> None:
        self._disk = disk
        self._fuse = fuse

    def first_seen(self, keys: list[bytes], now_ms_min: int) -> list[First | None]:
        self._fuse.check()
        return [self._disk.rows.get(key) for key in keys]

    def write(self, rows: Rows, checkpoints: dict[int, int]) -> None:
        self._fuse.check()
        for key, at, mark in rows:
            self._disk.rows.setdefault(key, (at, mark))
        self._disk.checkpoints |= checkpoints
        self._fuse.effect()

    def checkpoint(self, partition: int) -> int | None:
        return self._disk.checkpoints.get(partition)

    def reset(self, why: str) -> None:
        raise AssertionError(f"no crash makes the log shorter than its store: {why}")

    def advance(self, watermark_ms: int, owned: object = None) -> None:
        return None

    def close(self) -> None:
        return None


class NoLinks:
    """Identity has a model of its own; here every event is its device's."""

    caught_up = True
    looks = 0

    def look(self) -> None:
        self.looks += 1

    def follow(self) -> int:
        return 0

    def progress(self) -> str:
        return "none"

    def feed(self) -> None:
        return None

    def close(self) -> None:
        return None


class ByDevice(Agent):
    """In the place of identify."""

    name = "identify"

    def prepare(self, event: Event) -> None:
        event.ids = (("anonymous_id", event.body["anonymousId"]),)

    def process(self, events: Events, batch: Batch) -> Events:
        events.profiles = [profile_id(device) for (device,) in events.ids]
        return events


class Topology:
    """One that never changes, until a test puts a topology here."""

    def __init__(self, agents: Isolated, destination: str) -> None:
        self._agents = agents
        self._destination = destination
        self.topology: ActiveTopology | None = None

    @property
    def agents(self) -> Isolated:
        return self.topology.agents if self.topology else self._agents

    @property
    def destinations(self) -> Sequence[str]:
        return self.topology.destinations if self.topology else [self._destination]

    def take(self) -> None:
        if self.topology:
            self.topology.take()


class Life:
    """One process from start to its end."""

    def __init__(
        self, kafka: FakeKafka, disk: Disk, guarantee: str, fuse: Fuse, chunk: int = 3, small: int = 0,
        destination: str = "crm", places: Sequence[Place] = PLACES, name: str = "route",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.kafka = kafka
        self.fuse = fuse
        store: Any = Store(disk, fuse)
        client: Any = FakeConsumer(kafka, fuse, lambda: chunk)
        self.consumer: FakeConsumer = client
        consumer = GroupConsumer({}, [TOPICS.raw], RoutePartition.open, client=lambda _: client)
        checkpoint = _checkpoint(kafka, fuse, name, store, consumer, exactly_once=guarantee == "exactly_once")
        self.links = NoLinks()
        nothing: Any = self.links
        self.health = Health(clock)
        self.pipeline_for: Callable[[str], Pipeline] = lambda name: _pipeline(store, name)
        self.isolated = Isolated(self.pipeline_for(destination))
        self.topology = Topology(self.isolated, destination)
        components = Components(store, nothing, nothing, cast("ActiveTopology", self.topology))
        self.worker = Worker(
            components, consumer, checkpoint, lambda partitions: self._restore(kafka, store, partitions),
            self.health, small_batch=small,
        )  # fmt: skip
        self.consumer.deal("assign", places)

    def _restore(self, kafka: FakeKafka, store: Store, partitions: set[int]) -> Restore:
        reader: Any = FakeConsumer(kafka, self.fuse)
        ends: Any = FakeConsumer(kafka, self.fuse, uncommitted=True)
        return Restore(store, TOPICS.dedupe_changelog, partitions, reader=reader, uncommitted=ends, deadline_s=60)

    def live(self, rounds: int = 200) -> bool:
        """Run until all is read and settled; False when the process died."""
        try:
            for _ in range(rounds):
                self.worker.round()
            self.worker.run(_stopped())
        except Crash:
            return False
        return True


def _checkpoint(
    kafka: FakeKafka, fuse: Fuse, name: str, store: Any, consumer: GroupConsumer[RoutePartition], *, exactly_once: bool
) -> Checkpoint:
    one, other = [cast("Any", FakeProducer(kafka, fuse, id_)) for id_ in (name, f"{name}-other")]
    changelog = TOPICS.dedupe_changelog
    if exactly_once:
        writers = TransactionalWriter(one, changelog), TransactionalWriter(other, changelog)
        return ExactlyOnce(AlternatingWriters(*writers), store)
    return AtLeastOnce(Writer(one, changelog), consumer.commit, store)


def _stopped() -> threading.Event:
    stop = threading.Event()
    stop.set()
    return stop


def _pipeline(store: Store, destination: str) -> Pipeline:
    wanted = subscription(destination, DestinationConfig(type="webhook"), ())
    return Pipeline(
        [
            decode(TOPICS),
            Dedupe(store, WINDOW),
            Validate(TOPICS, {"web": Enforcement(None, Enforce())}),
            ByDevice(),
            Route([wanted], TOPICS.destination, (TOPICS.resolved,)),
            Emit(),
        ]
    )


def filled(ids: Sequence[str]) -> FakeKafka:
    """events.raw with these messageIds; an id's repeats share its device, so they share its partition."""
    kafka = FakeKafka()
    for id_ in ids:
        body = track(id_, anonymousId=f"device-{id_}")
        kafka.append(TOPICS.raw, orjson.dumps(body), f"device-{id_}".encode(), -1, None)
    return kafka


def delivered(kafka: FakeKafka, topic: str = TOPICS.resolved) -> Counter[str]:
    return Counter(orjson.loads(entry.raw or b"")["messageId"] for entry in kafka.all(topic))


# Nine events in both partitions, five repeats soon after.
IDS = ["m0", "m1", "m0", "m9", "m2", "m3", "m2", "m9", "m5", "m10", "m6", "m7", "m10", "m7"]


def effects(guarantee: str, ids: Sequence[str]) -> int:
    """How many effects an undisturbed life has."""
    fuse = Fuse()
    assert Life(filled(ids), Disk(), guarantee, fuse).live()
    return fuse.burnt


@pytest.mark.parametrize("keep_disk", [True, False], ids=["disk kept", "disk wiped"])
def test_exactly_once_at_every_crash_point(keep_disk: bool) -> None:
    """Killed after any effect, with or without its disk, the next life completes: each event once, counts exact."""
    for last in range(effects("exactly_once", IDS)):
        kafka, disk = filled(IDS), Disk()
        assert not Life(kafka, disk, "exactly_once", Fuse(last)).live()

        assert Life(kafka, disk if keep_disk else Disk(), "exactly_once", Fuse()).live()

        assert delivered(kafka) == Counter(set(IDS)), f"crash after effect {last}"
        assert delivered(kafka, TOPICS.destination("crm")) == Counter(set(IDS))
        counts = [orjson.loads(metadata or "")["n"] for _, metadata in kafka.offsets.values()]
        assert [sum(column) for column in zip(*counts, strict=True)] == [14, 0, 0, 5, 9]


@pytest.mark.parametrize("keep_disk", [True, False], ids=["disk kept", "disk wiped"])
def test_at_least_once_at_every_crash_point(keep_disk: bool) -> None:
    """Killed after any effect nothing is lost, and at most the batches in flight are repeated."""
    for last in range(effects("at_least_once", IDS)):
        kafka, disk = filled(IDS), Disk()
        assert not Life(kafka, disk, "at_least_once", Fuse(last)).live()

        assert Life(kafka, disk if keep_disk else Disk(), "at_least_once", Fuse()).live()

        for topic in (TOPICS.resolved, TOPICS.destination("crm")):
            found = delivered(kafka, topic)
            assert set(found) == set(IDS), f"crash after effect {last}"
            assert found.total() - len(found) <= 6, "more than two batches of three were repeated"


CUTS = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["revoke", "lose", "crash"])), max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30), CUTS, st.integers(1, 5), st.sampled_from([0, 200])
)
def test_exactly_once_over_rebalance_commit_and_crash(
    ids: list[str], cuts: list[tuple[int, str]], chunk: int, small: int
) -> None:
    """Any interleaving of rebalances and crashes with commits gives each event exactly once."""
    kafka, disk = filled(ids), Disk()
    for after, what in cuts:
        if what == "crash":
            Life(kafka, disk, "exactly_once", Fuse(after), chunk, small).live(30)
            continue
        life = Life(kafka, disk, "exactly_once", Fuse(), chunk, small)
        for _ in range(after % 12):
            life.worker.round()
        life.consumer.deal(what, PLACES)
        life.consumer.deal("assign", PLACES[: 1 + after % 2])
        life.live(20)

    assert Life(kafka, disk, "exactly_once", Fuse(), chunk, small).live()

    assert delivered(kafka) == Counter(set(ids))


def test_a_fenced_worker_commits_nothing() -> None:
    """A zombie whose transactional id was taken over cannot commit; its successor's work stands alone."""
    kafka = filled(IDS)
    zombie = Life(kafka, Disk(), "exactly_once", Fuse())
    for _ in range(3):
        zombie.worker.round()

    assert Life(kafka, Disk(), "exactly_once", Fuse()).live()
    with pytest.raises(Exception, match="over"):
        zombie.live()

    assert delivered(kafka) == Counter(set(IDS))
