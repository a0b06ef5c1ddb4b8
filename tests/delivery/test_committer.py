"""A commit holds all that became final since the last one, and is committed once, whatever the broker answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from confluent_kafka import TopicPartition

from router import metrics
from router.delivery.committer import Committer
from router.delivery.in_flight import InFlightLimit
from router.delivery.item import Partition, QueuedEvent
from router.delivery.records import DeliveryLog
from router.delivery.retry_lane import RetryLane
from router.delivery.tracker import decode
from router.errors import Fenced
from router.events.records import Record
from router.kafka.transactions import CommitRefused, TransactionAborted
from router.mask import Mask
from router.worker.checkpoint import CommitBatch
from tests.deliveries import delivery

DEADLINE = 120.0


class Broker:
    """A checkpoint that answers as told: each call takes the next of `answers`, None for yes."""

    def __init__(self, *answers: Exception | None, transactional: bool) -> None:
        self.transactional = transactional
        self.answers = list(answers)
        self.offset_answers: list[Exception | None] = []
        self.works: list[CommitBatch] = []
        self.offsets: list[list[TopicPartition]] = []
        self.next_place = 0
        self.closed = False

    def publish(self, batch: CommitBatch) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.works.append(batch)
        batch.places = [self.next_place + number for number in range(len(batch.placed))]
        self.next_place += len(batch.placed)

    def apply(self, batch: CommitBatch) -> None:
        if self.transactional:
            return
        answer = self.offset_answers.pop(0) if self.offset_answers else None
        if answer is not None:
            raise answer
        self.offsets.append(batch.offsets)

    def close(self) -> None:
        self.closed = True


class Bench:
    def __init__(self, broker: Broker, flush_at: int = 500) -> None:
        self.broker = broker
        self.room = InFlightLimit(100, 1 << 20)
        self.lane = RetryLane(ordered=True, limit=InFlightLimit(100, 1 << 20), rewrite_bytes=1 << 20)
        self.faults: list[BaseException] = []
        self.committed = 0
        self.delivery_log = DeliveryLog("crm", "delivery.log", Mask())
        self.committer = Committer(
            "crm", "dest.crm.dead", "dest.crm.retry", self.delivery_log, self.room, self.lane, broker,
            flush_at=flush_at, group=lambda: "generation", on_committed=self._on_committed, on_fault=self.faults.append,
        )  # fmt: skip
        self.partition = Partition("dest.crm", 2)
        self.retry = Partition("dest.crm.retry", 2)
        self.committer.assigned([self.partition], [self.retry])

    def _on_committed(self) -> None:
        self.committed += 1

    def item(self, offset: int, *, redriven: bool = False, replay: str = "") -> QueuedEvent:
        one, headers = delivery(offset), [("source", b"web")]
        item = QueuedEvent(
            self.partition, offset, one.value, b"p1", headers, one, None, 0.0, redriven=redriven, replay=replay
        )
        self.partition.tracker.take(offset)
        self.room.add(1, item.size)
        return item

    def totals(self) -> dict[str, int]:
        return dict(metrics.DELIVERY_TOTALS.rows().get(("crm", "2"), {}))

    async def until(self, holds: Callable[[], object]) -> None:
        end = time.monotonic() + DEADLINE
        while not holds():
            assert time.monotonic() < end
            await asyncio.sleep(0.01)


@asynccontextmanager
async def bench(*answers: Exception | None, transactional: bool = True, flush_at: int = 500) -> AsyncIterator[Bench]:
    one = Bench(Broker(*answers, transactional=transactional), flush_at)
    yield one
    await one.committer.release(0.0, lost=True)
    await one.committer.close()
    assert one.broker.closed


def metadata(place: TopicPartition) -> Any:
    return orjson.loads(place.metadata or "")


async def test_letters_log_and_offsets_are_one_settlement() -> None:
    """With the counts in the offset's metadata, shown only once they are committed."""
    async with bench() as one:
        first, second = one.item(5), one.item(7)
        one.item(8)
        one.committer.dead(second, "400", "deliver")
        one.committer.delivered(first)
        one.delivery_log.accepted("delivered", first, 0.01)
        assert one.totals() == _totals(0, 0)
        await one.until(lambda: one.broker.works)
        work = one.broker.works[0]

        assert [record[0] for record in work.records] == ["dest.crm.dead", "delivery.log"]
        assert [(place.partition, place.offset, metadata(place)["n"]) for place in work.offsets] == [(2, 8, [1, 1])]
        assert work.group == "generation"
        await one.until(lambda: one.committed)
        assert one.totals() == _totals(1, 1)
        assert (one.room.used, one.committer.uncommitted) == (1, 0)


async def test_redriven_events_are_shown_when_they_are_taken_and_kept_when_they_are_final() -> None:
    """So that routed + redriven is never less than what is final or waits; a restart takes again what was not final."""
    async with bench() as one:
        first, second = one.item(5, redriven=True), one.item(6, redriven=True)
        for item in (first, second):
            one.committer.took(item)
        assert one.totals() == _totals(0, 0, 2)
        one.committer.dead(first, "400", "deliver")
        await one.until(lambda: one.committed)
        assert one.totals() == _totals(0, 1, 2)
        place = one.broker.works[0].offsets[0]

    assert metadata(place) == {"n": [0, 1], "redriven": 1}
    assert Partition.open("dest.crm", 2, place.offset, place.metadata or "").redriven == 1


async def test_events_of_a_replay_are_counted_apart() -> None:
    """So that routed + redriven = delivered + filtered + dead + pending holds while one runs."""
    async with bench() as one:
        items = [one.item(offset, replay="r1") for offset in range(5, 9)]
        for item in items:
            one.committer.took(item)
        assert one.committer.replaying == 4
        one.committer.delivered(items[0])
        one.committer.dead(items[1], "400", "deliver")
        one.committer.filtered(items[2])
        await one.until(lambda: one.committed)
        assert one.totals() == _totals(0, 0) | {
            "router_replay_delivered": 1, "router_replay_dead": 1, "router_replay_filtered": 1,
        }  # fmt: skip
        assert one.committer.replaying == 1
        place = one.broker.works[0].offsets[0]

    assert metadata(place) == {"n": [0, 0], "replayed": [1, 1, 1]}
    counts = Partition.open("dest.crm", 2, place.offset, place.metadata or "").counts
    assert (counts.replay_delivered, counts.replay_dead, counts.replay_filtered, counts.delivered) == (1, 1, 1, 0)


async def test_an_aborted_settlement_is_committed_again_as_it_was() -> None:
    """No dead letter, and no record that is the delivery, is lost or written twice; what becomes final meanwhile waits
    for the next.
    """
    copy: Record = ("shop.copy", b"{}", None, [])
    async with bench(TransactionAborted("COORDINATOR_NOT_AVAILABLE"), TransactionAborted("_TIMED_OUT")) as one:
        one.committer.delivered(one.item(0), copy)
        one.committer.dead(one.item(1), "400", "deliver")
        await one.until(lambda: len(one.broker.answers) == 1)
        one.committer.delivered(one.item(2))
        await one.until(lambda: len(one.broker.works) == 2)

    assert [[record[0] for record in work.records] for work in one.broker.works] == [["shop.copy", "dest.crm.dead"], []]
    assert [work.offsets[0].offset for work in one.broker.works] == [2, 3]


async def test_at_least_once_writes_records_once_and_then_offsets() -> None:
    """When only the offsets fail, only they are tried again."""
    async with bench(transactional=False) as one:
        one.broker.offset_answers = [CommitRefused("_TIMED_OUT"), CommitRefused("_TIMED_OUT")]
        one.committer.dead(one.item(1), "400", "deliver")
        await one.until(lambda: one.committed)

    assert (len(one.broker.works), len(one.broker.offsets)) == (1, 1)


async def test_nothing_happened_nothing_is_written() -> None:
    """An idle destination costs no transaction."""
    async with bench() as one:
        one.committer.note()
        await asyncio.sleep(0.3)

        assert one.broker.works == []


async def test_much_is_committed_without_waiting_for_the_interval() -> None:
    """So that little would be repeated."""
    async with bench(flush_at=3) as one:
        for offset in range(3):
            one.committer.delivered(one.item(offset))
        await asyncio.sleep(0)
        await one.until(lambda: one.broker.works)

        assert one.broker.works[0].offsets[0].offset == 3


async def test_releasing_commits_what_is_final_and_forgets_the_rest() -> None:
    """Before the partitions go to another process."""
    async with bench() as one:
        item, late = one.item(1), one.item(2)
        one.committer.delivered(item)
        await one.committer.release(DEADLINE, lost=False)

        assert [work.offsets[0].offset for work in one.broker.works] == [2]
        assert (one.partition.revoked, late.partition.revoked, one.room.used, one.totals()) == (True, True, 0, {})


async def test_lost_partitions_are_not_committed() -> None:
    """They are another's already; a commit under way no longer counts."""
    async with bench(*[TransactionAborted("_TIMED_OUT")] * 3) as one:
        one.committer.delivered(one.item(1))
        await one.until(lambda: len(one.broker.answers) < 3)
        await one.committer.release(0.0, lost=True)
        await asyncio.sleep(0.5)

        assert (one.broker.works, one.committed) == ([], 0)


async def test_a_generation_that_is_over_is_not_fought_for() -> None:
    """The group has given the partitions to others: their events come again there."""
    async with bench(TransactionAborted("ILLEGAL_GENERATION")) as one:
        one.committer.delivered(one.item(1))
        await one.until(lambda: not one.broker.answers)
        began = time.monotonic()
        await one.committer.release(DEADLINE, lost=False)

        assert (one.broker.works, one.committed) == ([], 0)
        assert time.monotonic() - began < DEADLINE


async def test_a_fenced_process_says_so_and_stops_committing() -> None:
    """Somebody else has its place: the only safe answer is to end."""
    async with bench(Fenced("over")) as one:
        one.committer.delivered(one.item(1))
        await one.until(lambda: one.faults)
        one.committer.delivered(one.item(2))
        await asyncio.sleep(0.3)

        assert [type(fault) for fault in one.faults] == [Fenced]
        assert one.broker.works == []


async def test_finished_events_beyond_an_unfinished_one_ride_in_the_metadata() -> None:
    """And come back as such."""
    async with bench() as one:
        items = [one.item(offset) for offset in range(10)]
        for item in items[3:7]:
            one.committer.delivered(item)
        await one.until(lambda: one.committed)
        place = one.broker.works[0].offsets[0]

        assert place.offset == 0
        assert decode(place.metadata or "", 0)[1] == [3, 4, 5, 6]


def _totals(delivered: int, dead: int, redriven: int = 0) -> dict[str, int]:
    others = {"router_delivery_filtered": 0, "router_delivery_redriven": redriven}
    replays = dict.fromkeys(("router_replay_delivered", "router_replay_dead", "router_replay_filtered"), 0)
    return {"router_delivery_delivered": delivered, "router_delivery_dead": dead} | others | replays
