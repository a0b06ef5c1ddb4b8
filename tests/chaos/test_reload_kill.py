"""Plan and destinations are edited under load while workers are killed: still exactly once, and the last edit wins."""

from __future__ import annotations

import random
import time

import pytest

from ops.kafka.kraft import free_port
from ops.running import Process
from ops.world import World
from router.config.options import Address
from router.plan import load_plan
from router.process.scrape import scrape
from router.process.snapshot import snapshot
from tests.chaos.test_route_kill import RATE, at_rest, start_route, wait_for_progress

pytestmark = pytest.mark.chaos

EDITS = 6


def edit(world: World, number: int) -> None:
    """Another revision that judges alike, and destinations that have to begin again; once, a plan that is broken."""
    rule = world.folder / "plan/events/order-completed.yaml"
    text = rule.read_text().partition("# ")[0]
    if number == EDITS // 2:
        rule.write_text("type: track\nevent: [")
        time.sleep(2)
    rule.write_text(f"{text}# edit {number}\n")
    topology = world.file.read_text()
    world.file.write_text(topology.replace(f"concurrency: {3 + number}", f"concurrency: {4 + number}"))


def start_delivery(world: World, address: Address) -> Process:
    deliver = world.router("deliver", "--metrics", "{}:{}".format(*address))
    deliver.wait_ready(address)
    return deliver


def test_edits_and_kills_lose_nothing_and_repeat_nothing(world: World) -> None:
    """A kill falls soon after an edit: before it is seen, while it is loaded, or just taken over."""
    world.make_topics()
    metrics, delivery = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
    deliver, route = start_delivery(world, delivery), start_route(world, metrics)
    with world.sending(RATE) as sending:
        done = wait_for_progress(metrics, 0)
        for number in range(1, EDITS + 1):
            edit(world, number)
            time.sleep(random.uniform(0, 4))
            assert sending.alive
            if number % 2:
                route.kill()
                route = start_route(world, metrics)
            elif number % 4 == 0:
                deliver.kill()
                deliver = start_delivery(world, delivery)
            done = wait_for_progress(metrics, done)

    sent = world.ledger.sent("ok")
    seen = at_rest(metrics, delivery, sent)
    account = world.check()

    assert account.problems == [], f"seed {world.seed}"
    assert account.counts["events.raw"] == sent
    assert account.against(seen) == [], f"seed {world.seed}"
    until = time.monotonic() + 60
    wanted = {"load": (load_plan(world.folder / "plan").revision,)}
    while snapshot(scrape(metrics)).plans != wanted:
        assert time.monotonic() < until, "the last edit is not in force"
        time.sleep(0.1)
