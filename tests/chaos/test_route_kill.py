"""kill -9 of a route worker under load, again and again: nothing is lost or written twice; the counts stay exact."""

from __future__ import annotations

import random
import time

import pytest

from ops.kafka.kraft import free_port
from ops.running import Process
from ops.world import World
from router.config.options import Address
from router.errors import Unavailable
from router.process.scrape import scrape
from router.process.snapshot import Snapshot, snapshot

pytestmark = pytest.mark.chaos

KILLS = 5
RATE = 1_500
DEADLINE_SECONDS = 180.0


def start_route(world: World, address: Address) -> Process:
    route = world.router("route", "--metrics", "{}:{}".format(*address))
    route.wait_ready(address)
    return route


def received(address: Address) -> int:
    try:
        return snapshot(scrape(address)).received
    except Unavailable:
        return 0


def wait_for_progress(address: Address, beyond: int) -> int:
    """Until a worker has committed more than this; returns how much."""
    until = time.monotonic() + DEADLINE_SECONDS
    while (count := received(address)) <= beyond:
        assert time.monotonic() < until, f"stuck at {count} events"
        time.sleep(0.05)
    return count


def at_rest(route: Address, deliver: Address, sent: int) -> Snapshot:
    until = time.monotonic() + DEADLINE_SECONDS
    while True:
        seen = snapshot([*scrape(route, 10), *scrape(deliver, 10)])
        if seen.received >= sent and all(row.pending == 0 == row.taken for row in seen.destinations):
            return seen
        assert time.monotonic() < until, f"not at rest in time: {seen}"
        time.sleep(0.3)


def test_five_kills_lose_nothing_and_repeat_nothing(world: World) -> None:
    """The kill falls at any moment: while a batch is read, produced, committed, or state restored."""
    world.make_topics()
    metrics, delivery = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
    deliver = world.router("deliver", "--metrics", "{}:{}".format(*delivery))
    deliver.wait_ready(delivery)
    with world.sending(RATE) as sending:
        done = 0
        for _ in range(KILLS):
            route = start_route(world, metrics)
            done = wait_for_progress(metrics, done)
            time.sleep(random.uniform(0, 1))
            assert sending.alive
            route.kill()
        start_route(world, metrics)
        wait_for_progress(metrics, done)

    sent = world.ledger.sent("ok")
    seen = at_rest(metrics, delivery, sent)
    account = world.check()

    assert account.problems == [], f"seed {world.seed}"
    assert account.counts["events.raw"] == sent
    assert account.against(seen) == [], f"seed {world.seed}"
    assert sum(account.redelivered.values()) == 0
