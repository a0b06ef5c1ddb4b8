"""The whole router on a real Kafka: every one of 100,000 events is accounted for, by the topics and by the metrics."""

from __future__ import annotations

import time

from ops.load import Load, send
from ops.running import figures
from ops.world import World
from router.config.options import Address, parse_address
from router.process.snapshot import Snapshot

EVENTS = 100_000
SETTLE_SECONDS = 300.0


def at_rest(address: Address, received: int) -> Snapshot:
    """The figures once all that was sent is final."""
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        seen = figures(address)
        if seen.received >= received and all(row.pending == 0 == row.taken for row in seen.destinations):
            return seen
        assert time.monotonic() < until, f"not at rest in time: {seen}"
        time.sleep(0.5)


def test_every_event_is_accounted_for_by_topics_receipts_and_metrics(world: World, unique: str) -> None:
    """5 % repeats, 3 % violations, 1 % garbage; the order in the topics, and conservation, hold as well."""
    up = world.router("up", "--gateway", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--insights", "off")
    address = parse_address(up.said("  metrics  http://").partition("/")[0])
    up.wait_ready(address)

    send(world.cluster, world.topics.raw, Load(unique, EVENTS), world.ledger)
    assert world.ledger.sent("ok") == EVENTS
    seen = at_rest(address, EVENTS)
    account = world.check()

    assert account.problems == []
    assert account.counts["events.raw"] == EVENTS
    assert min(account.counts["events.blocked"], account.counts["events.invalid"]) > EVENTS // 200
    assert sum(account.redelivered.values()) == 0
    assert account.against(seen) == []
    assert seen.balanced
    assert all(row.balanced for row in seen.destinations)
    assert up.stop() == 0
