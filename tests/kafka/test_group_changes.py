"""A group's member when partitions come and go, when messages are gone before it read them, and without a broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from router.errors import Unavailable
from router.kafka.group_consumer import GroupConsumer
from tests.kafka.test_group_consumer import PLACES, RAW, Failed, Group, Owner, Partition, consumer_of, counted


def between_two_calls(group: Group, what: str) -> None:
    """Partitions are dealt anew after the next call for a message: amid a read, which goes on for more."""
    consume = group.client.consume

    def once(number: int, wait: float) -> list[Any]:
        found = consume(number, wait)
        if number == 1:
            group.client.consume = consume  # type: ignore[method-assign]
            group.client.deal(what, PLACES)
        return found

    group.client.consume = once  # type: ignore[method-assign]


@pytest.mark.parametrize(("what", "told"), [("revoke", "revoked"), ("lose", "lost")])
def test_who_loses_partitions_hears_whether_another_has_them_already(what: str, told: str) -> None:
    group = Group([3, 2])

    group.client.deal(what, PLACES)
    group.consumer.read(0)

    assert group.owner.told == ["assigned [0, 1]", told]
    assert group.consumer.partitions == []
    assert group.client.calls[-1].startswith(("unassign", "consume"))


def test_nothing_of_before_is_left_when_partitions_have_gone() -> None:
    """Neither what a read moved nor an end: it would be committed, or told, in the name of the next owner."""
    group = Group([1, 0])
    between_two_calls(group, "revoke")

    assert group.consumer.read(0) == []
    assert group.consumer.advanced() == []
    group.client.deal("assign", PLACES)
    group.consumer.read(0)

    assert group.owner.told == ["assigned [0, 1]", "revoked", "assigned [0, 1]"]


def test_an_end_that_came_before_the_partitions_went_is_not_told_after_it() -> None:
    group = Group([0, 0])
    between_two_calls(group, "revoke")

    group.consumer.read(0)
    group.consumer.read(0)

    assert group.owner.told == ["assigned [0, 1]", "revoked"]


def test_a_member_has_joined_once_it_was_given_partitions_be_it_none() -> None:
    group = Group([0, 0])
    fresh = consumer_of(group.client)
    fresh.join(Owner())
    assert not fresh.joined
    assert fresh.advanced() == fresh.partitions == []

    group.client.deal("assign", [])
    fresh.read(0)

    assert (fresh.joined, fresh.partitions) == (True, [])


@pytest.mark.parametrize(("committed", "low", "lost"), [(0, 7, 7), (2, 2, 0), (0, 0, 0)])
def test_what_is_lost_is_counted_from_the_offset_that_is_due(committed: int, low: int, lost: int) -> None:
    """Also from the first of all; nothing is where the broker begins at it."""
    group = Group([9, 0])
    group.client.deal("revoke", PLACES)
    group.consumer.read(0)
    group.kafka.offsets[PLACES[0]] = committed, ""
    group.kafka.lows[PLACES[0]] = low
    before = counted()

    group.client.deal("assign", PLACES)
    group.consumer.read(0)

    assert counted() - before == lost
    assert group.owner.told[2:] == ["assigned [0, 1]", *([f"skipped 0 to {low}"] if lost else [])]


def test_a_topic_made_anew_is_not_at_its_end_and_is_assigned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end is that of the topic of before; each assignment throws away what was fetched."""
    group = Group([9, 0])
    first = group.consumer.partitions[0]
    group.consumer.read(0)
    group.consumer.read(0)
    assert first.at_end
    group.kafka.logs[PLACES[0]] = group.kafka.logs[PLACES[0]][:2]
    group.client.calls.clear()
    with monkeypatch.context() as away:
        answers: Iterator[list[Any]] = iter([[Failed(KafkaError._AUTO_OFFSET_RESET)], [], []])
        away.setattr(group.client, "consume", lambda *_: next(answers, []))
        group.consumer.read(0)
        group.consumer.read(0)
        assert (first.next, first.committed, first.end, first.at_end) == (0, 0, None, False)

    assert [message.offset() for message in group.consumer.read(0)] == [0, 1]
    assert group.consumer.read(0) == []
    assert group.client.calls.count("assign") == 1


def test_a_gap_may_change_the_state_that_a_partition_goes_on_with() -> None:
    group = Group([9, 0])
    made = Partition(RAW, 0)

    def skipped(partition: Partition, offset: int, *, recreated: bool) -> Partition:
        assert (offset, recreated) == (4, False)
        return made

    group.owner.skipped = skipped  # type: ignore[method-assign]
    group.kafka.lows[PLACES[0]] = 4
    group.consumer.read(0)

    (*_, last) = group.consumer.read(0)

    assert group.consumer.state_of(last) is made
    assert made.next == 9


@pytest.mark.parametrize("fatal", [True, False])
def test_only_an_error_that_is_fatal_ends_the_worker(*, fatal: bool) -> None:
    group = Group([1, 1])
    failed = Failed(KafkaError.UNKNOWN)
    failed.error = lambda: KafkaError(KafkaError.UNKNOWN, "said", fatal)  # type: ignore[method-assign]
    answers = iter([[failed], []])
    group.client.consume = lambda *_: next(answers)  # type: ignore[method-assign]

    if fatal:
        with pytest.raises(Unavailable, match=f"cannot read {RAW}: said"):
            group.consumer.read(0)
    else:
        assert group.consumer.read(0) == []


def test_a_topic_that_is_not_there_is_named() -> None:
    group = Group([1, 1])
    group.client.consume = lambda *_: [Failed(KafkaError._UNKNOWN_TOPIC)]  # type: ignore[method-assign]

    with pytest.raises(Unavailable, match=f"the topic {RAW} is not there"):
        group.consumer.read(0)


def test_a_partition_that_cannot_seek_keeps_no_other_from_going_back(caplog: pytest.LogCaptureFixture) -> None:
    group = Group([3, 2])
    group.consumer.read(0)
    seek = group.client.seek

    def refuse(partition: TopicPartition) -> None:
        if partition.partition == 0:
            raise KafkaException(KafkaError(KafkaError._STATE, "not fetched"))
        seek(partition)

    group.client.seek = refuse  # type: ignore[method-assign]
    group.consumer.rewind()

    assert [message.partition() for message in group.consumer.read(0)] == [1, 1]
    assert f"seek {RAW} [0]: not fetched" in caplog.text


def test_a_paused_member_asks_for_one_message_and_waits_as_long_as_it_is_told() -> None:
    group = Group([3, 2])
    group.consumer.set_paused(group.consumer.partitions)
    group.client.calls.clear()

    group.consumer.stay(0.2)

    assert group.client.calls == ["consume 1 0.2"]


def test_partitions_are_paused_and_go_on_when_that_changes_and_not_again() -> None:
    """A pause throws away what was fetched."""
    group = Group([3, 2])
    first, second = group.consumer.partitions

    for paused in ([first], [first], [first, second], [second], []):
        group.consumer.set_paused(paused)

    assert group.client.calls == ["pause", "pause", "resume", "resume"]


def test_the_lag_of_one_message_asks_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group([1, 0])
    asked: list[dict[str, Any]] = []

    def ends(*_: Any, **how: Any) -> tuple[int, int]:
        asked.append(how)
        return 0, 1

    monkeypatch.setattr(group.client, "get_watermark_offsets", ends)

    assert group.consumer.lag(group.consumer.partitions[0]) == 1
    assert asked == [{"cached": True}]


# Without a broker


class Client:
    """Kafka's client: what it is asked for, and what it fails with."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.says = settings["error_cb"]
        self.asked: list[Any] = []
        self.failing = False

    def list_topics(self, topic: str, *, timeout: float) -> None:
        self.asked.append((topic, timeout > 0))
        if self.failing:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def committed(self, partitions: list[TopicPartition], seconds: float) -> list[TopicPartition]:
        self.asked.append([(one.topic, one.partition, seconds) for one in partitions])
        return [TopicPartition(RAW, 0, 42)]

    def close(self) -> None:
        self.asked.append("close")


@pytest.fixture
def client() -> Client:
    return Client({"error_cb": lambda _: None})


@pytest.fixture
def consumer(client: Client) -> GroupConsumer[Partition]:
    def made(settings: dict[str, Any]) -> Any:
        assert settings["group.id"] == "g"
        client.says = settings["error_cb"]
        return client

    return GroupConsumer({"group.id": "g"}, [RAW], Partition.open, client=made)


def test_a_broker_that_is_away_is_told_until_it_answers(client: Client, consumer: GroupConsumer[Partition]) -> None:
    """It is asked only after trouble."""
    assert consumer.check_broker() == ""
    client.says(KafkaError(KafkaError._TRANSPORT))  # one of several
    assert (consumer.check_broker(), client.asked) == ("", [])

    client.says(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    client.failing = True
    assert consumer.problem == consumer.check_broker() == "no broker answers"
    assert client.asked == [(RAW, True)]
    client.failing = False
    assert consumer.check_broker() == consumer.problem == ""


def test_a_client_that_is_over_is_a_problem(client: Client, consumer: GroupConsumer[Partition]) -> None:
    client.says(KafkaError(KafkaError._FENCED, "over", True))
    assert consumer.problem == "over"


def test_what_the_group_has_committed_is_asked_of_the_broker(
    client: Client, consumer: GroupConsumer[Partition]
) -> None:
    assert consumer.group_offset(RAW, 0, 3.5) == 42
    assert client.asked == [[(RAW, 0, 3.5)]]


def test_a_member_that_closes_leaves_the_group(client: Client, consumer: GroupConsumer[Partition]) -> None:
    consumer.close()
    assert client.asked == ["close"]
