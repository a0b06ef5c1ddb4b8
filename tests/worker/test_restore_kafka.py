"""State comes back from a real Kafka: from nothing, from a checkpoint, from a damaged store, past open transactions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

from router.dedupe.window import Row
from router.dedupe.window_rocksdb import RocksWindow
from router.errors import Unavailable
from router.events.topics import TopicSpec
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.transactions import TransactionalWriter
from router.state.rocks import StateError
from router.worker.restore import Restore
from tests.brokers.messages import produce
from tests.dedupe.windows import MARK, NOON, asides, damage, keys, open_window, packed, rows_of, tables

PARTITIONS = 3
BATCHES = 60
IDS = 100


def rows(partition: int, batch: int) -> list[Row]:
    return [(key, NOON + batch, MARK) for key in keys((partition, batch), IDS)]


class Changelog:
    """A changelog topic on the cluster, written as the router writes it."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self.cluster = cluster
        self.topic = topic
        Admin(cluster).create([TopicSpec(topic, PARTITIONS)])

    def write(self, batches: Iterable[int]) -> dict[int, int]:
        """One transaction a batch; returns the next offsets as the worker learns them."""
        writer = TransactionalWriter(self.producer(), self.topic)
        landed: dict[int, int] = {}
        for batch in batches:
            values = {partition: packed(rows(partition, batch)) for partition in range(PARTITIONS)}
            with writer.transaction() as transaction:
                transaction.produce_changelog(values)
                transaction.send_offsets([], self._group())
                landed |= transaction.commit()
        writer.close()
        return landed

    def _group(self) -> object:
        """A transaction needs a group's metadata even where it commits no offset."""
        consumer = Consumer(clients.consumer(self.cluster, f"{self.topic}.group"))
        metadata = consumer.consumer_group_metadata()
        consumer.close()
        return metadata

    def producer(self) -> Producer:
        return Producer(clients.transactional(self.cluster, f"{self.topic}.writer"))

    def open(self, batch: int) -> Producer:
        """A producer that has a batch in an open transaction, on disk and not committed."""
        producer = self.producer()
        producer.init_transactions(30)
        producer.begin_transaction()
        for partition in range(PARTITIONS):
            producer.produce(self.topic, packed(rows(partition, batch)), partition=partition)
        assert producer.flush(30) == 0
        return producer

    def restore(self, window: RocksWindow, *, deadline_s: float = 60) -> Restore:
        return Restore(
            window,
            self.topic,
            range(PARTITIONS),
            reader=Consumer(clients.reader(self.cluster)),
            uncommitted=Consumer(clients.reader(self.cluster, uncommitted=True)),
            deadline_s=deadline_s,
        )

    def bring_up(self, window: RocksWindow) -> str:
        """Restore to the end; returns where it began, in words."""
        one = self.restore(window)
        begun = one.progress()
        self.finish(one)
        return begun

    def finish(self, one: Restore) -> None:
        while not one.done:
            one.step(0.2)
        one.close()


@pytest.fixture
def changelog(kafka: str, unique: str) -> Changelog:
    return Changelog(Cluster(kafka), f"{unique}.dedupe-changelog")


Start = Callable[[], RocksWindow]


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Start]:
    """Opens the store of a slot; each call is a start of the worker, and ends the life before."""
    lives: list[RocksWindow] = []

    def start() -> RocksWindow:
        for life in lives:
            life.close()
        lives[:] = [open_window(tmp_path)]
        return lives[0]

    yield start
    for life in lives:
        life.close()


def missing(window: RocksWindow, batches: Iterable[int]) -> int:
    wanted = [row for batch in batches for partition in range(PARTITIONS) for row in rows(partition, batch)]
    found = window.first_seen([key for key, _, _ in wanted], NOON)
    return sum(first != row[1:] for first, row in zip(found, wanted, strict=True))


def test_a_wiped_folder_is_rebuilt_from_the_changelog_alone(
    changelog: Changelog, window: Start, tmp_path: Path
) -> None:
    changelog.write(range(BATCHES))
    changelog.bring_up(window())
    store = window()
    store.close()
    shutil.rmtree(tmp_path / "window")
    store = window()
    changelog.bring_up(store)
    assert missing(store, range(BATCHES)) == 0


def test_a_store_reads_only_what_came_after_its_checkpoint(changelog: Changelog, window: Start) -> None:
    landed = changelog.write(range(BATCHES))
    store = window()
    changelog.bring_up(store)
    assert all((store.checkpoint(partition) or 0) >= offset for partition, offset in landed.items())
    changelog.write([BATCHES])
    store = window()
    assert changelog.bring_up(store) == f"0 of {PARTITIONS * 2} records of {changelog.topic} read, 3 partitions to go"
    assert missing(store, range(BATCHES + 1)) == 0


def test_a_damaged_store_is_found_set_aside_and_rebuilt(changelog: Changelog, window: Start, tmp_path: Path) -> None:
    changelog.write(range(BATCHES))
    store = window()
    changelog.bring_up(store)
    store.close()
    damage(max(tables(tmp_path), key=lambda file: file.stat().st_size))
    store = window()
    with pytest.raises(StateError):
        list(store.rows())
    store = window()
    assert asides(tmp_path) == ["window.aside-1"]
    changelog.bring_up(store)
    assert missing(store, range(BATCHES)) == 0


def test_a_store_past_the_end_of_its_log_is_set_aside_and_rebuilt(
    changelog: Changelog, window: Start, tmp_path: Path
) -> None:
    """As when the cluster was put back to an older state: the topic has its id, and fewer records."""
    changelog.write(range(BATCHES))
    store = window()
    store.write(rows_of([(key, NOON, MARK) for key in keys("gone", 10)]), {0: 10**6, 1: 3})
    changelog.bring_up(store)
    assert missing(store, range(BATCHES)) == 0
    assert store.first_seen(keys("gone", 10), NOON) == [None] * 10
    assert asides(tmp_path) == ["window.aside-1"]


def test_an_open_transaction_is_waited_for_and_counts_when_it_commits(changelog: Changelog, window: Start) -> None:
    """The batch of a worker that is being replaced: its offsets may be committed, so its ids must be known."""
    changelog.write(range(2))
    other = changelog.open(2)
    store = window()
    one = changelog.restore(store)
    one.step(1)
    assert missing(store, [2]) == PARTITIONS * IDS
    other.commit_transaction(30)
    changelog.finish(one)
    assert missing(store, range(3)) == 0


def test_an_aborted_batch_leaves_no_id(changelog: Changelog, window: Start) -> None:
    changelog.write(range(2))
    changelog.open(2).abort_transaction(30)
    store = window()
    changelog.bring_up(store)
    assert missing(store, range(2)) == 0
    assert missing(store, [2]) == PARTITIONS * IDS


def test_a_restore_that_an_open_transaction_holds_up_ends_at_its_deadline(changelog: Changelog, window: Start) -> None:
    other = changelog.open(0)
    one = changelog.restore(window(), deadline_s=0.5)
    with pytest.raises(Unavailable, match="takes too long"):
        one.step(2)
    one.close()
    other.abort_transaction(30)


def test_a_strangers_records_in_the_changelog_stop_nobody(changelog: Changelog, window: Start) -> None:
    changelog.write(range(3))
    produce(changelog.cluster, changelog.topic, [b"hello", b"\x01" * 29, b""], partition=1)
    changelog.write([3])
    store = window()
    changelog.bring_up(store)
    assert missing(store, range(4)) == 0
