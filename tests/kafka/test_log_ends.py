"""The ends of a partition are asked for again while nobody leads it, and no longer than that makes sense."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from router.errors import Unavailable
from router.kafka.offsets import log_ends


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
