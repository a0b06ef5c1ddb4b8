"""Ends and committed offsets are asked for again while leaders and coordinators move, no longer than makes sense."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from router.errors import RouterError, Unavailable
from router.kafka import offsets
from router.kafka.cluster import Cluster
from router.kafka.offsets import Committed, GroupOffsets, log_ends


class Asked:
    """Answers with what it is given, the last again and again; an error is raised."""

    def __init__(self, *answers: int | tuple[int, int]) -> None:
        self.answers = list(answers)
        self.times = 0

    def get_watermark_offsets(self, place: Any, timeout: float) -> tuple[int, int]:
        assert timeout > 0
        answer = self.answers[min(self.times, len(self.answers) - 1)]
        self.times += 1
        if isinstance(answer, int):
            raise KafkaException(KafkaError(answer))
        return answer


def test_a_partition_without_a_leader_is_asked_again() -> None:
    asked: Any = Asked(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._TRANSPORT, (3, 7))

    assert log_ends(asked, "events.raw", 0, 10) == (3, 7)


def test_a_refusal_is_final() -> None:
    asked: Any = Asked(KafkaError.TOPIC_AUTHORIZATION_FAILED)

    with pytest.raises(Unavailable, match="cannot read the ends"):
        log_ends(asked, "events.raw", 0, 10)
    assert asked.times == 1


def test_it_gives_up_in_time() -> None:
    asked: Any = Asked(KafkaError._TIMED_OUT)

    with pytest.raises(Unavailable):
        log_ends(asked, "events.raw", 0, 0.5)
    assert asked.times > 1


class Coordinator:
    """A consumer whose group answers with what it is given: an error of the call, of the partition, or an offset."""

    def __init__(self, *answers: KafkaError | int, of_partition: bool = False) -> None:
        self.answers = list(answers)
        self.of_partition = of_partition

    def poll(self, timeout: float) -> None:
        pass

    def close(self) -> None:
        pass

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[Any]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, KafkaError) and not self.of_partition:
            raise KafkaException(answer)
        return [Row(answer)]


class Row:
    topic, partition, metadata = "events.raw", 0, "note"

    def __init__(self, answer: KafkaError | int) -> None:
        self.error = answer if isinstance(answer, KafkaError) else None
        self.offset = -1 if isinstance(answer, KafkaError) else answer


def committed(monkeypatch: pytest.MonkeyPatch, coordinator: Coordinator, timeout: float) -> dict[Any, Committed]:
    monkeypatch.setattr(offsets, "Consumer", lambda settings: coordinator)
    with GroupOffsets(Cluster("nowhere:1"), "g", timeout=timeout) as group:
        return group.committed([("events.raw", 0)])


@pytest.mark.parametrize("of_partition", [False, True])
def test_a_coordinator_that_moves_is_asked_again(monkeypatch: pytest.MonkeyPatch, of_partition: bool) -> None:
    moves = KafkaError(KafkaError.NOT_COORDINATOR), KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS)

    found = committed(monkeypatch, Coordinator(*moves, 7, of_partition=of_partition), 60)

    assert found == {("events.raw", 0): Committed(7, "note")}


@pytest.mark.parametrize("of_partition", [False, True])
def test_a_coordinator_that_never_settles_is_no_broker(monkeypatch: pytest.MonkeyPatch, of_partition: bool) -> None:
    moves = Coordinator(KafkaError(KafkaError.NOT_COORDINATOR), of_partition=of_partition)

    with pytest.raises(Unavailable, match="offsets of g"):
        committed(monkeypatch, moves, 0.3)


def test_a_group_that_may_not_be_read_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RouterError, match="GROUP_AUTHORIZATION_FAILED"):
        committed(monkeypatch, Coordinator(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)), 60)
