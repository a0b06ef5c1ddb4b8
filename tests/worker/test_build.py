"""What a worker opens: topics as the topology has them, a slot, clients whose settings the guarantees rest on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from ops.kafka.kraft import free_port
from ops.load import Load, send
from ops.world import World
from router.errors import RouterError
from router.events.topics import Topics
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.worker import build as route_module
from router.worker.build import WorkerBuilder

WAIT_SECONDS = 120.0


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> WorkerBuilder:
    """One that never meets a broker: clients are their settings."""
    monkeypatch.setattr(route_module, "Consumer", dict)
    monkeypatch.setattr(route_module, "Restore", lambda *parts, **more: {"parts": parts, **more})
    made = WorkerBuilder.__new__(WorkerBuilder)
    made.cluster = Cluster("127.0.0.1:1")
    made.topics = Topics("shop", partitions=12)
    return made


def test_a_restore_reads_what_is_committed_up_to_the_end_of_what_is_written(builder: WorkerBuilder) -> None:
    """To the end that readers see, it could stop before a batch that counts as done."""
    window: Any = None

    restore: Any = builder.restore(window, {0, 11})

    assert restore["parts"] == (window, "shop.dedupe-changelog", {0, 11})
    assert restore["reader"]["isolation.level"] == "read_committed"
    assert restore["uncommitted"]["isolation.level"] == "read_uncommitted"


def test_partitions_beyond_those_of_the_changelog_are_refused(builder: WorkerBuilder) -> None:
    """The topic has grown: the repeats of an event would no longer meet in one partition."""
    window: Any = None

    with pytest.raises(RouterError, match="more than 12 partitions"):
        builder.restore(window, {3, 12})


@pytest.fixture
def world(kafka: str, unique: str, tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, unique, kafka, partitions=3)
    yield world
    world.close()


def test_a_worker_refuses_topics_that_are_missing(world: World) -> None:
    route = world.router("route", "--metrics", "127.0.0.1:0")

    assert route.child.wait(WAIT_SECONDS) == 1
    assert "topics are missing" in route.end()


def test_a_worker_stops_when_its_topic_gets_more_partitions_and_does_not_start_again(world: World, unique: str) -> None:
    """The repeats of an event would no longer meet in one partition."""
    world.make_topics()
    address = ("127.0.0.1", free_port())
    route = world.router("route", "--metrics", "{}:{}".format(*address))
    route.wait_ready(address)
    send(world.cluster, world.topics.raw, Load(unique, 100), world.ledger)
    admin = AdminClient(clients.admin(world.cluster))  # kept until the answer is there

    for answer in admin.create_partitions([NewPartitions(world.topics.raw, 5)]).values():
        answer.result()

    assert route.child.wait(WAIT_SECONDS) == 1
    assert "more than 3 partitions" in route.end()
    again = world.router("route", "--metrics", "127.0.0.1:0")
    assert again.child.wait(WAIT_SECONDS) == 1
    assert "partition counts differ" in again.end()
