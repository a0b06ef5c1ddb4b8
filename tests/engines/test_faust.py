"""The Faust engine on a real Kafka: whatever happens to its worker, nothing is lost; it tells what the loop tells."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
from confluent_kafka import admin as kafka_admin

from ops.checker import Account, read
from ops.kafka.kraft import free_port
from ops.load import Item, Load, send
from ops.running import Process
from ops.world import World
from router.config.options import Address
from router.errors import Unavailable
from router.kafka.admin import Admin
from router.process.scrape import health, scrape
from router.process.snapshot import Snapshot, snapshot
from tests.brokers.messages import eventually

KILLS = 2
RATE = 200
SECONDS = 90.0


@pytest.fixture
def world(kafka: str, unique: str, tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, unique, kafka)
    world.make_topics()
    yield world
    world.close()


@pytest.fixture
def address() -> Address:
    return "127.0.0.1", free_port()


def start(world: World, address: Address, *, fault: str = "", ready: bool = True) -> Process:
    options = ("--engine", "faust", "--metrics", "{}:{}".format(*address))
    if fault:
        own = ["--bootstrap", world.cluster.bootstrap, "--state", str(world.folder / "state")]
        return world.start("tests.worker.faulty_route", fault, "route", str(world.file), *own, *options)
    route = world.router("route", *options)
    if ready:
        route.wait_ready(address)
    return route


def seen(address: Address) -> Snapshot | None:
    try:
        return snapshot(scrape(address))
    except Unavailable:
        return None


def wait_received(address: Address, count: int) -> Snapshot:
    until = time.monotonic() + SECONDS
    while (found := seen(address)) is None or found.received < count:
        assert time.monotonic() < until, f"{found and found.received} of {count} events received"
        time.sleep(0.1)
    return found


def produce(world: World, count: int) -> None:
    send(world.cluster, world.topics.raw, Load(world.topics.name, count), world.ledger)


def event(world: World, name: str, note: str = "") -> None:
    """One product viewed with this id."""
    properties = {"product_id": "p1", "note": note}
    body = {"messageId": name, "anonymousId": "d1", "type": "track", "event": "Product Viewed"}
    item = Item(name, "fine", "track", "Product Viewed", "d1", 0, orjson.dumps(body | {"properties": properties}))
    send(world.cluster, world.topics.raw, [item], world.ledger)


def ids(world: World, topic: str) -> list[str]:
    return [str(orjson.loads(message.value() or b"")["messageId"]) for message in read(world.cluster, topic)]


def losses(account: Account) -> list[str]:
    """Problems but repeats, which at least once allows."""
    account.repeated.clear()
    return account.problems


def committed(world: World) -> int:
    places = [(world.topics.raw, number) for number in range(world.topics.partitions)]
    found = Admin(world.cluster).committed(world.topics.route_group, places)
    return sum(at.offset for at in found.values())


@pytest.mark.chaos
def test_kills_and_stops_under_load_lose_nothing(world: World, address: Address) -> None:
    """kill -9 and SIGTERM in turn, at any moment of a batch."""
    with world.sending(RATE):
        done = 0
        for _ in range(KILLS):
            for end in (Process.kill, Process.stop):
                route = start(world, address)
                done = wait_received(address, done + 1).received
                time.sleep(random.uniform(0, 1.5))
                end(route)
    start(world, address)
    wait_received(address, world.ledger.sent("ok"))

    found = wait_received(address, world.ledger.sent("ok"))
    account = world.check(delivered=False)

    assert losses(account) == [], f"seed {world.seed}"
    assert found.balanced
    assert found.lost == 0


def test_totals_and_lag_are_the_loops_own_and_outlive_the_process(world: World, address: Address) -> None:
    produce(world, 2_000)
    route = start(world, address)
    wait_received(address, 2_000)
    assert route.stop() == 0

    start(world, address)
    found = wait_received(address, 2_000)
    account = world.check(delivered=False)

    assert account.problems == []
    assert [line for line in account.against(found) if not line.startswith("merged")] == []
    eventually(lambda: (now := seen(address)) is not None and now.waiting == 0, "the lag comes to 0")


@pytest.mark.parametrize("fault", ["chain", "state"])
def test_an_unexpected_error_ends_the_worker_and_acknowledges_nothing(
    world: World, address: Address, fault: str
) -> None:
    produce(world, 300)

    assert start(world, address, fault=fault).child.wait(SECONDS) == 70
    assert committed(world) == 0

    start(world, address)
    wait_received(address, 300)
    assert losses(world.check(delivered=False)) == []


def test_an_agents_exception_sets_its_event_aside_and_lets_the_others_pass(world: World, address: Address) -> None:
    for name in ("a", "poison-1", "b"):
        event(world, name)

    start(world, address, fault="agent")
    found = wait_received(address, 3)

    assert sorted(ids(world, world.topics.resolved)) == ["a", "b"]
    assert ids(world, world.topics.invalid) == ["poison-1"]
    assert (found.resolved, found.invalid) == (2, 1)


def test_what_the_broker_refuses_ends_the_worker_and_is_read_again(world: World, address: Address) -> None:
    limit(world, world.topics.resolved, 1_000)
    route = start(world, address)
    event(world, "large", random.randbytes(3_000).hex())

    assert route.child.wait(SECONDS) == Unavailable.status
    assert committed(world) == 0

    limit(world, world.topics.resolved, 1_000_000)
    start(world, address)
    wait_received(address, 1)
    assert set(ids(world, world.topics.resolved)) == {"large"}


def limit(world: World, topic: str, size: int) -> None:
    kinds: Any = kafka_admin  # its names are not exported for type checkers
    entry = kinds.ConfigEntry("max.message.bytes", str(size), incremental_operation=kinds.AlterConfigOpType.SET)
    resource = kinds.ConfigResource(kinds.ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = kinds.AdminClient({"bootstrap.servers": world.cluster.bootstrap})
    for answer in client.incremental_alter_configs([resource]).values():
        answer.result(SECONDS)


def test_expired_ids_leave_the_store(world: World, address: Address) -> None:
    """The window goes on with the time, also where nothing more is sent."""
    world.file.write_text(f"{world.file.read_text()}dedupe: {{window: 6s}}\n")
    start(world, address)
    event(world, "once")
    wait_received(address, 1)
    store = world.folder / "state" / world.topics.name

    eventually(lambda: "window: dropped the ids of" in logged(world), "the family is dropped")

    assert store.is_dir()
    for _ in range(2):
        event(world, "once")
    assert wait_received(address, 3).duplicates == 1, "new again, and the next one a repeat"


def logged(world: World) -> str:
    return "".join(path.read_text() for path in world.folder.glob("*.log"))


def test_a_changed_topology_is_taken_over_without_a_restart(world: World, address: Address) -> None:
    route = start(world, address)
    event(world, "before")
    wait_received(address, 1)
    text = world.file.read_text()
    world.file.write_text(text.replace("except: [Order Completed]", "except: [Product Viewed]"))

    eventually(lambda: "reload: applied" in logged(world), "the reload")
    event(world, "after")
    wait_received(address, 2)

    assert route.child.poll() is None
    assert ids(world, world.topics.destination("views")) == ["before"]
    assert sorted(ids(world, world.topics.destination("all"))) == ["after", "before"]


def test_only_the_page_of_metrics_listens(world: World, address: Address) -> None:
    """Faust's web server would show what is in the app to anybody."""
    route = start(world, address)
    family = [psutil.Process(route.pid), *psutil.Process(route.pid).children(recursive=True)]
    listening = [
        (process.pid, connection.laddr.port)
        for process in family
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]

    assert [port for _, port in listening] == [address[1]]


def owned(address: Address) -> dict[str, set[str]]:
    """Partitions by topic, as the metrics have them."""
    found: dict[str, set[str]] = {}
    for family in scrape(address):
        if family.name == "router_events_received":
            for sample in family.samples:
                found.setdefault(sample.labels["topic"], set()).add(sample.labels["partition"])
    return found


def test_two_workers_share_the_same_partitions_of_all_topics_and_one_takes_over(world: World, address: Address) -> None:
    """A device's events with and without a key meet in one worker, or repeats would pass."""
    other = ("127.0.0.1", free_port())
    first, _ = start(world, address), start(world, other)
    topics = {world.topics.raw, world.topics.keyed}
    everything = {str(number) for number in range(world.topics.partitions)}

    def shared() -> bool:
        mine, theirs = owned(address), owned(other)
        parts = [*mine.values(), *theirs.values()]
        return set(mine) == set(theirs) == topics and all(len(part) == len(everything) // 2 for part in parts)

    eventually(shared, "each has half")
    for mine in (owned(address), owned(other)):
        assert mine[world.topics.raw] == mine[world.topics.keyed]

    first.kill()
    produce(world, 500)
    eventually(lambda: owned(other).get(world.topics.raw) == everything, "the other takes over")
    wait_received(other, 500)
    assert losses(world.check(delivered=False)) == []


def test_a_restore_may_take_longer_than_a_session(world: World, address: Address) -> None:
    """The group's member lives on meanwhile; events wait for the state."""
    produce(world, 200)

    route = start(world, address, fault="restore")
    route.wait_ready(address)
    wait_received(address, 200)

    assert world.check(delivered=False).problems == []
    assert "generation 1: reading 12 partitions" in logged(world)
    assert health(address, "/healthz").ok
