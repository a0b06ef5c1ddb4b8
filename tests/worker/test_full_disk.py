"""A full disk under a worker's state: the worker stops and says so, and with room again nothing is lost or repeated."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.kafka.kraft import free_port
from ops.load import Load, send
from ops.running import figures
from ops.world import World
from router.config.options import Address
from router.errors import Unavailable

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0, reason="mounting a small disk needs root on Linux"
    ),
]

EVENTS = 120_000  # more than the stores keep in memory
ROOM = 256 * 1024
SECONDS = 240.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of the workers' state, on a disk of 32 MiB."""
    folder = tmp_path / "state"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def world(kafka: str, unique: str, tmp_path: Path, disk: Path) -> Iterator[World]:
    world = World(tmp_path, unique, kafka)
    world.make_topics()
    yield world
    world.close()


def fill(disk: Path) -> Path:
    """Take all but a little room."""
    left = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(bytes(left.f_bavail * left.f_frsize - ROOM))
    return filler


def received(address: Address) -> int:
    try:
        return figures(address).received
    except Unavailable:
        return 0


def wait_for(address: Address, count: int) -> None:
    until = time.monotonic() + SECONDS
    while received(address) < count:
        assert time.monotonic() < until, f"{count} events were not read in time"
        time.sleep(0.5)


def test_the_worker_stops_with_status_3_and_goes_on_with_room(world: World, disk: Path, unique: str) -> None:
    metrics = ("127.0.0.1", free_port())
    route = world.router("route", "--metrics", "{}:{}".format(*metrics))
    route.wait_ready(metrics)
    filler = fill(disk)
    send(world.cluster, world.topics.raw, Load(unique, EVENTS), world.ledger)
    assert route.child.wait(SECONDS) == 3
    assert "No space left on device" in route.end()

    filler.unlink()
    world.router("route", "--metrics", "{}:{}".format(*metrics)).wait_ready(metrics)
    wait_for(metrics, EVENTS)
    account = world.check(delivered=False)

    assert account.problems == []
    assert account.counts["events.raw"] == EVENTS
    assert not list(disk.glob("**/*.aside-*"))
