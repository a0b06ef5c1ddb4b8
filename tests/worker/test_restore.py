"""A restore in slices: what it reads, what it refuses, when it gives up. The log is scripted here."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from router import metrics
from router.dedupe.window import Row
from router.dedupe.window_memory import MemoryWindow
from router.errors import RouterError, Unavailable
from router.worker import restore as restore_module
from router.worker.restore import Restore
from tests.dedupe.windows import DAY, MARK, NOON, key, packed, rows_of

TOPIC = "shop.dedupe-changelog"


class Record:
    """A message, or the event that stands in its place."""

    def __init__(
        self, partition: int, offset: int, value: bytes | None = None, error: KafkaError | None = None
    ) -> None:
        self._place = partition, offset
        self._value = value
        self._error = error

    def topic(self) -> str:
        return TOPIC

    def partition(self) -> int:
        return self._place[0]

    def offset(self) -> int:
        return self._place[1]

    def value(self) -> bytes | None:
        return self._value

    def error(self) -> KafkaError | None:
        return self._error


class Log:
    """A consumer that has the changelog in memory, one row a record; `hidden` records are in an open transaction."""

    def __init__(self, ends: dict[int, tuple[int, int]], *, hidden: int = 0) -> None:
        self.ends = ends
        self.hidden = hidden
        self.values: dict[tuple[int, int], bytes] = {}
        self.pending: list[Record] = []
        self.read: list[tuple[int, int]] = []
        self._next: dict[int, int] = {}
        self._said: set[tuple[int, int]] = set()

    def get_watermark_offsets(self, place: TopicPartition, _: float) -> tuple[int, int]:
        return self.ends[place.partition]

    def assign(self, places: Sequence[TopicPartition]) -> None:
        self._next = {place.partition: place.offset for place in places}

    def consume(self, number: int, _: float) -> list[Any]:
        found, self.pending = self.pending, []
        for partition in sorted(self._next):
            end = self.ends[partition][1] - self.hidden
            while self._next[partition] < end and len(found) < number:
                at = self._next[partition]
                self._next[partition] += 1
                self.read.append((partition, at))
                found.append(Record(partition, at, self.values.get((partition, at), packed([row(partition, at)]))))
            if self._next[partition] >= end and (partition, end) not in self._said:
                self._said.add((partition, end))
                found.append(Record(partition, self._next[partition], error=KafkaError(KafkaError._PARTITION_EOF)))
        return found

    def close(self) -> None:
        return None


def row(partition: int, offset: int) -> Row:
    return key((partition, offset)), NOON + offset, MARK


def restore(store: MemoryWindow, log: Log, *, deadline_s: float = 60) -> Restore:
    reader: Any = log
    return Restore(store, TOPIC, log.ends, reader=reader, uncommitted=reader, deadline_s=deadline_s)


def run(one: Restore) -> None:
    while not one.done:
        one.step(0.05)


def known(store: MemoryWindow, places: Sequence[tuple[int, int]]) -> bool:
    return store.first_seen([row(*place)[0] for place in places], NOON) == [row(*place)[1:] for place in places]


def test_an_empty_store_gets_all_that_the_log_has() -> None:
    store, log = MemoryWindow(DAY), Log({0: (0, 30), 4: (10, 20), 7: (5, 5)})
    run(restore(store, log))
    assert known(store, [(0, at) for at in range(30)] + [(4, at) for at in range(10, 20)])
    assert {p: store.checkpoint(p) for p in log.ends} == {0: 30, 4: 20, 7: None}


def test_a_store_reads_from_its_checkpoints_on() -> None:
    store, log = MemoryWindow(DAY), Log({0: (0, 30), 1: (0, 30), 2: (0, 30)})
    store.write(rows_of([]), {0: 25, 1: 30})
    one = restore(store, log)
    assert one.progress() == f"0 of 35 records of {TOPIC} read, 2 partitions to go"
    run(one)
    assert sorted(log.read) == [(0, at) for at in range(25, 30)] + [(2, at) for at in range(30)]
    assert one.progress() == f"35 of 35 records of {TOPIC} read, 0 partitions to go"


def test_what_the_log_no_longer_has_is_not_asked_for() -> None:
    store, log = MemoryWindow(DAY), Log({0: (20, 30)})
    store.write(rows_of([]), {0: 3})
    run(restore(store, log))
    assert log.read == [(0, at) for at in range(20, 30)]


def test_a_store_ahead_of_its_log_in_one_partition_is_emptied_and_all_are_read_anew() -> None:
    """Its rows know no partition: those of the log that is gone would drop events that never were."""
    store, log = MemoryWindow(DAY), Log({0: (0, 30), 1: (0, 30)})
    store.write(rows_of([(key("of another log"), NOON, MARK)]), {0: 30, 1: 31})
    run(restore(store, log))
    assert store.first_seen([key("of another log")], NOON) == [None]
    assert known(store, [(p, at) for p in (0, 1) for at in range(30)])
    assert {p: store.checkpoint(p) for p in log.ends} == {0: 30, 1: 30}


def test_a_batch_that_commits_right_now_is_waited_for() -> None:
    store, log = MemoryWindow(DAY), Log({0: (0, 30)}, hidden=2)
    one = restore(store, log)
    one.step(0.1)
    assert not one.done
    log.hidden = 0
    run(one)
    assert known(store, [(0, 28), (0, 29)])


def test_past_the_deadline_it_gives_up_and_says_how_far_it_came() -> None:
    store, log = MemoryWindow(DAY), Log({0: (0, 30)}, hidden=2)
    one = restore(store, log, deadline_s=0.05)
    with pytest.raises(Unavailable, match=r"takes too long: 28 of 30 records .* 1 partitions to go"):
        run(one)
    assert store.checkpoint(0) == 28


def test_a_slice_ends_in_time_so_that_the_member_keeps_polling() -> None:
    one = restore(MemoryWindow(DAY), Log({0: (0, 30)}, hidden=2))
    started = time.monotonic()
    one.step(0.1)
    assert time.monotonic() - started < 30


def test_records_that_no_router_wrote_are_skipped_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Left out, a record can let a repeat pass; believed, it could drop an event. When in doubt, emit."""
    store, log = MemoryWindow(DAY), Log({3: (0, 10)})
    log.values = {(3, 4): b"garbage", (3, 6): packed([row(3, 6)])[:-1], (3, 7): b""}
    before = metrics.CHANGELOG_SKIPPED.labels("3")._value.get()
    with caplog.at_level(logging.ERROR):
        run(restore(store, log))
    assert known(store, [(3, at) for at in (0, 1, 2, 3, 5, 8, 9)])
    assert store.first_seen([row(3, at)[0] for at in (4, 6, 7)], NOON) == [None] * 3
    assert store.checkpoint(3) == 10
    assert metrics.CHANGELOG_SKIPPED.labels("3")._value.get() == before + 3
    assert [record.message.split(":")[0] for record in caplog.records] == [f"{TOPIC} [3] at 4"]


def test_a_record_of_a_later_version_stops_the_worker() -> None:
    """It is ours: an older router would take every id in it for new."""
    log = Log({0: (0, 3)})
    body = bytes((9,)) + b"what version 9 will hold"
    log.values = {(0, 1): body + crc32(body).to_bytes(4, "little")}
    with pytest.raises(RouterError, match=r"\[0\] at 1: .*version 9"):
        run(restore(MemoryWindow(DAY), log))


def test_a_broker_that_is_away_for_a_moment_is_waited_for() -> None:
    store, log = MemoryWindow(DAY), Log({0: (0, 5)})
    log.pending = [Record(0, 0, error=KafkaError(KafkaError._TRANSPORT))]
    run(restore(store, log))
    assert known(store, [(0, at) for at in range(5)])


@pytest.mark.parametrize("code", [KafkaError._AUTO_OFFSET_RESET, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_what_waiting_does_not_mend_stops_the_worker(code: int) -> None:
    log = Log({0: (0, 5)})
    log.pending = [Record(0, 0, error=KafkaError(code))]
    with pytest.raises(Unavailable, match="cannot read"):
        run(restore(MemoryWindow(DAY), log))


def test_without_a_broker_there_is_no_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_module, "CALL_SECONDS", 0.3)

    class Silent(Log):
        def get_watermark_offsets(self, place: TopicPartition, _: float) -> tuple[int, int]:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    with pytest.raises(Unavailable, match="cannot read the ends"):
        restore(MemoryWindow(DAY), Silent({0: (0, 1)}))
