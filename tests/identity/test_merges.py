"""The agent of identity.merges: every merge of the log is written, once, by the one worker that owns the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import pytest
from confluent_kafka import KafkaError, KafkaException

from router import metrics
from router.errors import Fenced, Unavailable
from router.identity import MemoryIdentityStore, Merge
from router.identity import merges as merges_module
from router.identity.merges import MergesPartition, MergesTask
from router.kafka.group_consumer import GroupConsumer
from router.kafka.offset_metadata import MetadataError
from router.kafka.transactions import TransactionalWriter
from router.kafka.writer import Writer
from router.worker.checkpoint import AtLeastOnce, Checkpoint, ExactlyOnce, committing
from tests.worker.fake_kafka import Crash, FakeConsumer, FakeKafka, FakeProducer, Fuse, Place

LINKS, MERGES = "identity.links", "identity.merges"
LOG: Place = (LINKS, 0)
WAIT_SECONDS = 120.0


class Store(MemoryIdentityStore):
    """A store that has applied the log up to `end`; a record of the log may merge several profiles, or none."""

    def __init__(self, merges_at: Sequence[int], end: int) -> None:
        super().__init__()
        self._merges_at = merges_at
        self.pruned = 0
        self.apply(end)

    def apply(self, end: int) -> None:
        for offset in range(self.position(), end):
            numbers = [number for number, at in enumerate(self._merges_at) if at == offset]
            self.commit(offset, [Merge(f"p_{number}", "p_0", "link", 1_767_225_600_000) for number in numbers])

    def prune_merges(self, before: int) -> None:
        super().prune_merges(before)
        self.pruned = before


class Task(MergesTask):
    """The task, which kill -9 may end."""

    dead = False

    def _live(self) -> None:
        try:
            super()._live()
        except Crash:
            self.dead = True


class Stage:
    """Tasks over one Kafka; `deal` gives and takes the log's partition."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.kafka = FakeKafka(partitions=1)
        self.consumers: list[FakeConsumer] = []
        self.tasks: list[Task] = []
        patch.setattr(merges_module, "LOOK_SECONDS", 0.05)

    def task(self, store: Store, *, transactional: bool = True, fuse: Fuse | None = None, name: str = "m") -> Task:
        fuse = fuse or Fuse()
        client: Any = FakeConsumer(self.kafka, fuse)
        self.consumers.append(client)
        consumer = GroupConsumer({}, [LINKS], MergesPartition.open, client=lambda _: client)
        producer: Any = FakeProducer(self.kafka, fuse, name)
        checkpoint: Checkpoint = AtLeastOnce(Writer(producer), consumer.commit)
        if transactional:
            checkpoint = ExactlyOnce(TransactionalWriter(producer))
        made = Task(store, consumer, committing(checkpoint), checkpoint.close, links=LINKS, merges=MERGES)
        self.tasks.append(made)
        return made

    def deal(self, task: Task, what: str) -> None:
        self.consumers[self.tasks.index(task)].deal(what, [LOG])

    def written(self) -> list[int]:
        """Which merges stand in the topic."""
        values = [orjson.loads(entry.raw or b"") for entry in self.kafka.all(MERGES)]
        return [int(value["from"].removeprefix("p_")) for value in values]

    def total(self) -> int:
        return int(self.kafka.offsets[LOG][1] or 0)

    def close(self) -> None:
        for task in (task for task in self.tasks if not task.dead):
            task._wanted = None
            task.close()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stage = Stage(monkeypatch)
    yield stage
    stage.close()
    metrics.MERGE_TOTALS.hide(("0",))


def until(over: Callable[[], bool], *tasks: Task) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not over():
        assert time.monotonic() < deadline, "not in time"
        for task in tasks:
            task.feed()
        time.sleep(0.005)


def test_every_merge_is_written_with_its_place_in_the_log(stage: Stage) -> None:
    """Also those of one record; the position goes past records that merged nothing."""
    task = stage.task(Store([2, 2, 5], end=9))
    stage.deal(task, "assign")

    until(lambda: stage.kafka.offsets.get(LOG, (0, ""))[0] == 9, task)

    assert stage.written() == [0, 1, 2]
    first = orjson.loads(stage.kafka.all(MERGES)[0].raw or b"")
    assert first == {"from": "p_0", "to": "p_0", "reason": "link", "position": 2, "time": "2026-01-01T00:00:00.000Z"}
    assert stage.total() == 3
    assert metrics.MERGE_TOTALS.rows()["0",] == {"router_identity_merges": 3}


@pytest.mark.parametrize("transactional", [True, False], ids=["exactly_once", "at_least_once"])
def test_killed_at_any_point_the_next_owner_completes(stage: Stage, transactional: bool) -> None:
    """Nothing is lost; exactly_once, nothing is repeated."""
    for last in range(8):
        stage.kafka.logs.clear()
        stage.kafka.offsets.clear()
        store = Store([1, 3, 3, 6], end=8)
        first = stage.task(store, transactional=transactional, fuse=Fuse(last))
        stage.deal(first, "assign")
        until(lambda task=first: task.dead or stage.kafka.offsets.get(LOG, (0, ""))[0] == 8, first)  # type: ignore[misc]

        second = stage.task(store, transactional=transactional)
        stage.deal(second, "assign")
        until(lambda: stage.kafka.offsets.get(LOG, (0, ""))[0] == 8, second)
        until(lambda task=second: task._wanted == 8, second)  # type: ignore[misc]
        stage.deal(second, "revoke")

        assert sorted(set(stage.written())) == [0, 1, 2, 3]
        if transactional:
            assert stage.written() == [0, 1, 2, 3]
            assert stage.total() == 4


def test_what_was_asked_for_before_a_rebalance_is_not_written_after_it(stage: Stage) -> None:
    """The partition goes, another worker writes on, and it comes back: part of what waits has been written."""
    store = Store([1, 3, 6], end=4)
    first, second = stage.task(store, name="first"), stage.task(store, name="second")
    hold, held = threading.Event(), threading.Event()

    def heard(call: str) -> None:
        if call.startswith("consume") and threading.current_thread() is first._thread and hold.is_set():
            held.set()
            assert not hold.is_set() or wait.wait(WAIT_SECONDS)

    wait = threading.Event()
    stage.deal(first, "assign")
    until(lambda: stage.kafka.offsets.get(LOG, (0, ""))[0] == 4, first)
    stage.kafka.heard = heard
    hold.set()
    assert held.wait(WAIT_SECONDS)
    store.apply(8)
    first._asked = False
    first.feed()  # what is asked for now waits until the log has gone and come back
    stage.deal(first, "revoke")
    stage.deal(second, "assign")
    until(lambda: stage.kafka.offsets[LOG][0] == 8, second)
    stage.deal(second, "revoke")
    stage.deal(first, "assign")
    store.apply(9)
    wait.set()

    until(lambda: stage.kafka.offsets[LOG][0] == 9, first)

    assert stage.written() == [0, 1, 2]
    assert stage.total() == 3


def test_an_aborted_part_is_written_again(stage: Stage) -> None:
    refusals = [KafkaError(KafkaError.INVALID_TXN_STATE, "try", False, False, True)] * 2
    stage.kafka.refuse = lambda call: refusals.pop() if call == "commit" and refusals else None
    task = stage.task(Store([1, 2], end=3))
    stage.deal(task, "assign")

    until(lambda: LOG in stage.kafka.offsets, task)

    assert not refusals
    assert stage.written() == [0, 1]


def test_a_coordinator_that_refuses_is_given_a_pause(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """While every transaction is refused it would be asked, and the log be told, many times a second."""
    monkeypatch.setattr(merges_module, "AGAIN_SECONDS", 3600.0)
    tries: list[str] = []

    def refuse(call: str) -> KafkaError | None:
        if call != "commit":
            return None
        tries.append(call)
        return KafkaError(KafkaError.INVALID_TXN_STATE, "try", False, False, True)

    stage.kafka.refuse = refuse
    task = stage.task(Store([1, 2], end=3))
    stage.deal(task, "assign")
    until(lambda: bool(tries), task)

    for _ in range(60):
        task.feed()
        time.sleep(0.005)

    assert len(tries) == 1


def test_a_worker_that_does_not_own_the_log_writes_nothing(stage: Stage) -> None:
    task = stage.task(Store([1], end=3))

    for _ in range(20):
        task.feed()
        time.sleep(0.01)

    assert stage.written() == []
    assert metrics.MERGE_TOTALS.rows() == {}


def test_a_long_list_of_merges_is_written_in_parts_and_no_record_is_cut_in_two(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merges_module, "ROWS", 2)
    task = stage.task(Store([1, 1, 1, 4, 5, 5], end=6))
    stage.deal(task, "assign")

    until(lambda: stage.kafka.offsets.get(LOG, (0, ""))[0] == 6, task)

    assert stage.written() == [0, 1, 2, 3, 4, 5]


def test_the_store_forgets_what_the_owner_has_written(stage: Stage) -> None:
    """Whoever the owner is: every worker has a store."""
    own, other = Store([1], end=3), Store([1], end=3)
    owner, watcher = stage.task(own, name="owner"), stage.task(other, name="watcher")
    stage.deal(owner, "assign")

    until(lambda: own.pruned == other.pruned == 3, owner, watcher)


def test_what_ends_the_thread_is_raised_where_the_worker_feeds_it(stage: Stage) -> None:
    stage.kafka.refuse = lambda call: KafkaError(KafkaError._FENCED, "over", True) if call == "begin" else None
    task = stage.task(Store([1], end=3))
    stage.deal(task, "assign")

    with pytest.raises(Fenced):
        until(lambda: False, task)


def test_metadata_that_is_not_ours_ends_the_worker_and_is_not_counted_on(stage: Stage) -> None:
    stage.kafka.offsets[LOG] = (2, "what is this")
    task = stage.task(Store([1], end=3))
    stage.deal(task, "assign")

    with pytest.raises(MetadataError):
        until(lambda: False, task)


def test_a_client_that_fails_while_it_is_closed_is_a_part_outside(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing ends all the same."""

    def fail(_: FakeConsumer) -> None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    monkeypatch.setattr(FakeConsumer, "close", fail)
    task = stage.task(Store([1], end=3))

    task.close()

    assert isinstance(task.failed, Unavailable)


def test_closing_writes_what_is_there(stage: Stage) -> None:
    task = stage.task(Store([1, 2], end=3))
    stage.deal(task, "assign")
    until(lambda: task._wanted is not None)

    task.close()

    assert stage.written() == [0, 1]
    stage.tasks.remove(task)
