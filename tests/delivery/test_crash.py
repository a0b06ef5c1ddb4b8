"""Killed, rebalanced or cut off, delivery loses nothing and repeats at most what was in flight."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import Any

import orjson
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from router import metrics
from router.delivery.dispatcher import UNCOMMITTED
from tests.delivery.conftest import Staging
from tests.delivery.partner import Partner
from tests.delivery.stage import PARTITIONS, Stage, eventually

CONCURRENCY = 8


def at_least(partner: Partner, path: str, count: int) -> bool:
    return partner.accepted(path) >= count


def settled(stage: Stage, destination: str, delivered: int, dead: int = 0) -> None:
    eventually(lambda: stage.totals(destination) == (delivered, dead), f"{delivered} delivered, {dead} dead")


@pytest.mark.chaos
def test_kill_minus_nine_loses_nothing_and_repeats_what_was_in_flight(best_stage: Staging, partner: Partner) -> None:
    """Four times under load. The committed counts name every event once, however often it was sent."""
    one = best_stage({"crm": partner.webhook("/crm", delivery={"concurrency": CONCURRENCY})})
    sent = one.send("crm", 3000)
    for target in (300, 900, 1500, 2100):
        with one.process() as process:
            eventually(partial(at_least, partner, "/crm", target), "deliveries before the kill")
            process.kill()
    with one.delivering():
        settled(one, "crm", 3000)

    counts = partner.counts("/crm")
    assert set(counts) == set(sent)
    assert counts.total() - 3000 <= 4 * UNCOMMITTED, counts.total()
    assert max(counts.values()) <= 5
    keys: dict[str, set[str]] = {}
    for receipt in partner.receipts("/crm"):
        keys.setdefault(receipt["messageId"], set()).add(receipt["idempotency"])
    assert all(len(of_one) == 1 for of_one in keys.values())
    assert one.dead("crm") == []


@pytest.mark.chaos
def test_what_was_committed_beyond_an_unfinished_event_is_not_sent_again(best_stage: Staging, partner: Partner) -> None:
    """One event fails for ever and holds its partition's offset; the others ride in the offset's metadata."""
    partner.faults(crm=[{"kind": "poison", "status": 500}])
    one = best_stage({"crm": partner.webhook("/crm", delivery={"retry": {"first": "50ms", "longest": "100ms"}})})
    one.send("crm", 1, poison=True)
    good = one.send("crm", 600)
    for _ in range(2):
        with one.process() as process:
            settled(one, "crm", 600)
            process.kill()
    good += one.send("crm", 100)
    with one.process() as process:
        settled(one, "crm", 700)
        partner.faults()
        settled(one, "crm", 701)
        process.kill()

    assert partner.counts("/crm") == Counter(good) + Counter(["crm-0"])


@pytest.mark.chaos
def test_dead_letters_are_complete_after_kill_minus_nine(best_stage: Staging, partner: Partner) -> None:
    """Every bad event has its letter: exactly one on a real Kafka, where letters and offsets are one transaction."""
    partner.faults(crm=[{"kind": "poison", "status": 400}])
    one = best_stage({"crm": partner.webhook("/crm")})
    bad: list[str] = []
    for number in range(60):
        one.send("crm", 25)
        bad += one.send("crm", 1, poison=True) if number % 2 else []
    for target in (200, 700):
        with one.process() as process:
            eventually(partial(at_least, partner, "/crm", target), "deliveries before the kill")
            process.kill()
    with one.delivering():
        settled(one, "crm", 1500, 30)

    letters = Counter(orjson.loads(message.value() or b"")["messageId"] for message in one.dead("crm"))
    assert set(letters) == set(bad)
    if not one.embedded:
        assert letters == Counter(bad)


@pytest.mark.chaos
def test_records_in_the_routers_own_cluster_are_there_once_after_kill_minus_nine(
    kafka_stage: Staging, unique: str
) -> None:
    """They are of the transaction that commits their events' offsets: nothing is lost, nothing repeated."""
    topic = f"{unique}.copy"
    one = kafka_stage({"copy": {"type": "kafka", "settings": {"topic": topic, "exactly_once": True}}})
    admin = AdminClient({"bootstrap.servers": one.cluster.bootstrap})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(60)
    sent = one.send("copy", 1200)
    with one.process() as process:
        eventually(lambda: one.totals("copy")[0] > 0, "a first commit")
        process.kill()
    sent += one.send("copy", 100)
    with one.delivering():
        settled(one, "copy", 1300)

    assert Counter(orjson.loads(record.value() or b"")["messageId"] for record in one.read(topic)) == Counter(sent)


@pytest.mark.chaos
def test_an_archive_survives_kill_minus_nine(best_stage: Staging) -> None:
    """Every event is in a finished file; each line is whole."""
    settings = {"path": "lake", "rotate_bytes": "50KiB"}
    one = best_stage({"lake": {"type": "file", "settings": settings, "delivery": {"batch": {"count": 100}}}})
    sent, folder = [], one.folder / "lake"
    for _ in range(2):
        sent += one.send("lake", 3000)  # 400 KiB, in files of 65 KiB at most
        with one.process() as process:
            eventually(partial(_has_files, folder, len(list(folder.glob("*.ndjson"))) + 3), "some files")
            process.kill()
    with one.delivering():
        settled(one, "lake", 6000)

    lines = [orjson.loads(line) for path in folder.glob("*.ndjson") for line in path.read_bytes().splitlines()]
    counts = Counter(line["messageId"] for line in lines)
    assert set(counts) == set(sent)
    assert list(folder.glob("*.part")) == []


def _has_files(folder: Any, count: int) -> bool:
    return len(list(folder.glob("*.ndjson"))) >= count


def test_a_second_process_takes_its_share_and_gives_it_back(best_stage: Staging, partner: Partner) -> None:
    """Rebalancing without a kill loses nothing, and on a real Kafka repeats nothing: what is under way is committed.

    The embedded broker takes no commits while a group rebalances.
    """
    partner.faults(crm=[{"kind": "slow", "seconds": 0.01}])
    one = best_stage({"crm": partner.webhook("/crm")})
    sent = one.send("crm", 1500)
    with one.process() as first:
        eventually(partial(at_least, partner, "/crm", 50), "deliveries of the first")
        with one.process() as second:
            eventually(lambda: second.metrics().get(("router_delivery_delivered_total", "crm"), 0) > 0, "its share")
            sent += one.send("crm", 500)
            eventually(partial(at_least, partner, "/crm", 900), "deliveries of both")
            assert second.stop() == 0
        settled(one, "crm", 2000)
        assert first.stop() == 0

    counts = partner.counts("/crm")
    assert set(counts) == set(sent)
    assert counts.total() - 2000 <= (2 * UNCOMMITTED if one.embedded else 0)


def test_what_retention_took_is_counted_as_lost(kafka_stage: Staging, partner: Partner) -> None:
    """The gap is alarmed, and delivery goes on behind it."""
    one = kafka_stage({"crm": partner.webhook("/crm")})
    topic = one.topics.destination("crm")
    one.send("crm", 60)
    with one.delivering():
        settled(one, "crm", 60)
    one.send("crm", 60)
    admin = AdminClient({"bootstrap.servers": one.cluster.bootstrap})
    for done in admin.delete_records([TopicPartition(topic, number, -1) for number in range(PARTITIONS)]).values():
        done.result(30)
    sent = one.send("crm", 60)
    with one.delivering():
        settled(one, "crm", 120)
        lost = [metrics.REGISTRY.get_sample_value("router_messages_lost_total", {"topic": topic, "partition": str(n)})
                for n in range(PARTITIONS)]  # fmt: skip

    assert sum(count or 0 for count in lost) == 60
    assert partner.names("/crm")[60:] == sent or partner.counts("/crm").total() == 120


def test_an_operator_may_move_the_group_back(kafka_stage: Staging, partner: Partner) -> None:
    """Offsets without our metadata: everything from there is delivered again, counted anew."""
    one = kafka_stage({"crm": partner.webhook("/crm")})
    one.send("crm", 30)
    with one.delivering():
        settled(one, "crm", 30)
    one.move(one.topics.deliver_group("crm"), one.topics.destination("crm"), 0)
    with one.delivering():
        settled(one, "crm", 30)

    assert set(partner.counts("/crm").values()) == {2}


def test_a_broker_that_goes_away_is_told_and_waited_for(
    embedded_stage: Staging, partner: Partner, embedded: Any
) -> None:
    """Not ready while it is gone, still live, and everything is delivered when it is back."""
    one = embedded_stage({"crm": partner.webhook("/crm")})
    sent = one.send("crm", 20)
    with one.delivering() as health:
        settled(one, "crm", 20)
        embedded.down()
        try:
            eventually(lambda: not health.readiness().ok, "not ready")
            assert health.liveness().ok
        finally:
            embedded.up()
        eventually(lambda: health.readiness().ok, "ready again")
        sent += one.send("crm", 20)
        settled(one, "crm", 40)

    assert partner.counts("/crm") == Counter(sent)


@pytest.mark.chaos
def test_a_process_that_sleeps_too_long_and_wakes_spoils_nothing(kafka_stage: Staging, partner: Partner) -> None:
    """SIGSTOP past the session timeout: another takes over; the sleeper's late commits are refused."""
    partner.faults(crm=[{"kind": "slow", "seconds": 0.02}])
    one = kafka_stage({"crm": partner.webhook("/crm")})
    sent = one.send("crm", 2500)
    with one.process() as sleeper:
        eventually(partial(at_least, partner, "/crm", 100), "deliveries")
        sleeper.pause()
        with one.process() as other:
            before = partner.accepted("/crm")
            eventually(partial(at_least, partner, "/crm", before + 300), "the other takes over")
            sleeper.wake()
            time.sleep(1)
            partner.faults()
            settled(one, "crm", 2500)
            assert other.stop() == 0

    counts = partner.counts("/crm")
    assert set(counts) == set(sent)
    assert counts.total() - 2500 <= 2 * UNCOMMITTED
