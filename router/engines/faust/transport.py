"""Faust's Kafka driver with what the agents need and it lacks.

It reads only what is committed (Faust asks for that in its exactly_once mode alone, so records of aborted transactions
would pass as events), its commits carry metadata, where the totals ride, and it tells where each partition stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, Protocol, cast

from aiokafka.structs import OffsetAndMetadata, TopicPartition  # type: ignore[import-untyped]
from faust.transport.drivers import aiokafka as driver
from yarl import URL

from router.kafka.offsets import PartitionKey


class Commits(Protocol):
    """What rides with a commit. Called in the consumer's thread."""

    def note(self, place: PartitionKey, offset: int) -> str:
        """The metadata of this offset."""

    def landed(self, place: PartitionKey, offset: int) -> None:
        """The offset is committed."""


class Standing(NamedTuple):
    """Offsets of one partition: the next to fetch, the end that a reader can see (None: not known), and the one after
    the last record that was handed out (None: none yet)."""

    position: int
    end: int | None
    handed: int | None


class _Thread(driver.AIOKafkaConsumerThread):
    """The thread of the aiokafka client; everything here runs in its loop."""

    def _create_consumer(self, loop: Any) -> Any:
        consumer = super()._create_consumer(loop)
        consumer._isolation_level = "read_committed"
        consumer.commit = partial(self._commit_noted, consumer.commit)
        self._handed: dict[PartitionKey, int] = {}
        return consumer

    async def _commit_noted(self, commit: Any, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        commits: Commits = cast("Any", self.transport).commits
        note = commits.note
        await commit({tp: OffsetAndMetadata(at.offset, note(_place(tp), at.offset)) for tp, at in offsets.items()})
        for tp, at in offsets.items():
            commits.landed(_place(tp), at.offset)

    async def _fetch_records(self, *arguments: Any, **options: Any) -> Any:
        """No other task runs between the move of a position and the note of what it gave."""
        records = await super()._fetch_records(*arguments, **options)
        for tp, given in records.items():
            self._handed[_place(tp)] = given[-1].offset + 1
        return records

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Nothing. Faust would report a partition as stuck whose first record comes five minutes after the start: it
        compares the moment in which the record is taken with that start. Whether one is stuck, our health says.
        """

    async def seek_to_committed(self) -> Mapping[TopicPartition, int]:
        found: Mapping[TopicPartition, int] = await self.call_thread(self._seek)
        return found

    async def _seek(self) -> Mapping[TopicPartition, int]:
        """After each rebalance: to what the group has committed, or to where `start` says, None being the beginning."""
        consumer = self._ensure_consumer()
        found: dict[TopicPartition, int] = await consumer.seek_to_committed()
        start = cast("Any", self.transport).start
        unread = []
        for tp in consumer.assignment() if start is not None else ():
            offset = start(_place(tp))
            if offset is None:
                found.pop(tp, None)
                unread.append(tp)
            else:
                found[tp] = offset
                consumer.seek(tp, offset)
        if unread:  # all at once: each call waits for the fetch under way, half a second
            await consumer.seek_to_beginning(*unread)
        return found

    async def standings(self) -> dict[PartitionKey, Standing]:
        found: dict[PartitionKey, Standing] = {}
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None:
            return found
        for tp in assignment.tps:
            state = assignment.state_value(tp)
            if state.has_valid_position:
                place = _place(tp)
                found[place] = Standing(state.position, state.lso, self._handed.get(place))
        return found


class _Consumer(driver.Consumer):
    _thread: _Thread

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def standings(self) -> dict[PartitionKey, Standing]:
        """Where each owned partition stands that has a position."""
        standings: dict[PartitionKey, Standing] = await self._thread.call_thread(self._thread.standings)
        return standings


class NotingTransport(driver.Transport):
    """Give it to an app as its `transport`. `start`: where to read a partition from, whatever is committed."""

    Consumer: ClassVar[Any] = _Consumer

    def __init__(
        self, urls: Sequence[str], app: Any, commits: Commits, start: Callable[[PartitionKey], int | None] | None = None
    ) -> None:
        super().__init__([URL(url) for url in urls], app)
        self.commits = commits
        self.start = start


def _place(tp: TopicPartition) -> PartitionKey:
    return str(tp.topic), int(tp.partition)
