"""`router status TOPOLOGY`: what Kafka itself says, with no process that runs."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, TopicPartition

from router.agents.totals import Totals
from router.delivery.pauses import pause_now, write_pause
from router.delivery.tracker import Counts
from router.embedded.broker import EmbeddedBroker
from router.kafka import clients
from router.worker.partition import encode_totals
from tests.cli.lines import Line
from tests.delivery.conftest import Staging, embedded_stage
from tests.delivery.stage import Stage

__all__ = ["embedded_stage"]


def commit(one: Stage, group: str, topic: str, offset: int, metadata: str) -> None:
    consumer = Consumer(clients.consumer(one.cluster, group))
    consumer.commit(offsets=[TopicPartition(topic, 0, offset, metadata)], asynchronous=False)
    consumer.close()


@pytest.fixture
def one(embedded_stage: Staging, embedded: EmbeddedBroker) -> Stage:
    """Three events of `crm` of one profile, two of them delivered; one message that no route worker has read."""
    made = embedded_stage({"crm": {"type": "webhook", "settings": {"url": "https://crm.example/e"}}})
    topics = made.topics
    embedded.create_topics({topics.raw: 1, topics.links: 1})
    totals = Totals()
    totals.counts.update({"received": 5, "resolved": 3, "duplicate": 2})
    totals.routed["crm"] = 3
    made.produce(topics.raw, b"{}", b"k", None, at=1_767_225_600_000)
    made.flush()
    made.send("crm", 3, profiles=1)
    (number,) = {message.partition() for message in made.read(topics.destination("crm"))}
    assert number is not None
    consumer = Consumer(clients.consumer(made.cluster, topics.deliver_group("crm")))
    place = TopicPartition(topics.destination("crm"), number, 2, Counts(delivered=2).encode(2, ()))
    consumer.commit(offsets=[place], asynchronous=False)
    consumer.close()
    commit(made, topics.route_group, topics.raw, 0, encode_totals(totals, ["crm"]))
    return made


def test_totals_backlogs_and_pauses_are_read_from_kafka(line: Line, one: Stage) -> None:
    """No process has to run."""
    write_pause(one.cluster, one.topics.control, "crm", pause_now("ana@desk", "they move house"))

    answer = line("status", one.file, "--bootstrap", one.cluster.bootstrap, "--json").answer
    shown = line("status", one.file, "--bootstrap", one.cluster.bootstrap).out

    assert (answer["received"], answer["resolved"], answer["duplicates"], answer["waiting"]) == (5, 3, 2, 1)
    assert answer["oldest_seconds"] > 3600
    (crm,) = answer["destinations"]
    assert (crm["routed"], crm["delivered"], crm["pending"], crm["waiting"], crm["balanced"]) == (3, 2, 1, 1, True)
    assert crm["paused"] == ["operator"]
    assert crm["oldest_seconds"] is not None
    assert "paused by ana@desk since" in shown
    assert "they move house" in shown
