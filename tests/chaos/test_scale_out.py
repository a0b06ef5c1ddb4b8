"""Three route workers share twelve partitions and have nothing in common but Kafka; one dies, the others take over."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from ops.faults.probes import Commits, CommittedPast
from ops.kafka.kraft import free_port
from ops.running import Process
from ops.world import World
from router.config.options import Address
from router.errors import Unavailable
from router.process.scrape import scrape
from router.process.snapshot import Snapshot, snapshot
from tests.chaos.test_route_kill import received

pytestmark = pytest.mark.chaos

PARTITIONS = 12
WORKERS = 3
RATE = 900
DEADLINE_SECONDS = 120.0

Workers = dict[Address, Process]


@pytest.fixture
def world(kafka: str, unique: str, tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, unique, kafka, partitions=PARTITIONS)
    world.make_topics()
    yield world
    world.close()


@pytest.fixture
def workers(world: World) -> Workers:
    """Each with a state directory of its own, as on machines of their own."""
    started: Workers = {}
    for number in range(WORKERS):
        address = ("127.0.0.1", free_port())
        options = ["--metrics", "{}:{}".format(*address), "--state", str(world.folder / f"state-{number}")]
        started[address] = world.router("route", *options)
    for address, process in started.items():
        process.wait_ready(address)
    return started


def owned(address: Address, topic: str) -> set[int]:
    """The partitions whose counts a worker shows: those it owns."""
    try:
        families = scrape(address)
    except Unavailable:
        return set()
    return {
        int(sample.labels["partition"])
        for family in families
        if family.name == "router_events_received"
        for sample in family.samples
        if sample.labels["topic"] == topic
    }


def wait_until(over: Callable[[], bool], what: Callable[[], object]) -> None:
    until = time.monotonic() + DEADLINE_SECONDS
    while not over():
        assert time.monotonic() < until, what()
        time.sleep(0.05)


def wait_shared(workers: Mapping[Address, Process], topic: str, each: int) -> None:
    """Until each owns so many partitions, none is owned twice and all are."""

    def shared() -> bool:
        shares = [owned(address, topic) for address in workers]
        return all(len(share) == each for share in shares) and set().union(*shares) == set(range(PARTITIONS))

    wait_until(shared, lambda: {address: owned(address, topic) for address in workers})


def committed_past(world: World, group: str, topic: str, partitions: int) -> None:
    """Until the group has done all that stands in the topic a moment from now."""
    commits = Commits(world.cluster, group)
    try:
        probe = CommittedPast(commits, topic, partitions)
        wait_until(probe.over, lambda: f"{group} stands still in {topic}")
    finally:
        commits.close()


def at_rest(world: World, workers: Mapping[Address, Process]) -> Snapshot:
    """What the metrics say once all is routed and all merges are written."""
    topics = world.topics
    committed_past(world, topics.route_group, topics.raw, PARTITIONS)
    committed_past(world, topics.merges_group, topics.links, 1)
    return snapshot([family for address in workers for family in scrape(address)])


def test_workers_share_the_partitions_and_take_over_those_of_one_that_died(
    world: World, workers: Workers, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four partitions each, then six each; no event is lost, none is handled by two, and the counts stay exact."""
    raw = world.topics.raw
    with world.sending(RATE):
        wait_shared(workers, raw, PARTITIONS // WORKERS)
        before = {address: snapshot(scrape(address)).received for address in workers}
        wait_until(lambda: all(received(address) > count for address, count in before.items()), lambda: before)

        victim = random.choice(list(workers))
        died = time.monotonic()
        workers.pop(victim).kill()
        committed_past(world, world.topics.route_group, raw, PARTITIONS)
        seconds = time.monotonic() - died
        wait_shared(workers, raw, PARTITIONS // (WORKERS - 1))
    seen = at_rest(world, workers)
    account = world.check(delivered=False)

    with capsys.disabled():
        print(f" [taken over in {seconds:.1f} s] ", end="")
    assert account.problems == [], f"seed {world.seed}"
    assert account.counts["events.raw"] == world.ledger.sent("ok") == seen.received
    assert account.against(seen) == [], f"seed {world.seed}"
    assert all(process.child.poll() is None for process in workers.values())
