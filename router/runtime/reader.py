"""The consuming side: which partitions are owned, where each stands, batches of what is there, rewinding.

Offsets are explicit: a partition starts at its committed offset, else at its beginning, and never resets by itself.
When the broker no longer has the offset that is due, the gap is counted as lost and alarmed; reading goes on behind.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from router import metrics
from router.agents.totals import Totals
from router.errors import RouterError, Unavailable
from router.kafka import offset_metadata
from router.kafka.ends import log_ends
from router.kafka.offset_metadata import MetadataTooLong, not_ours, text_of
from router.kafka.offsets import stable_offsets

log = logging.getLogger(__name__)
BATCH_MESSAGES = 2000
BATCH_BYTES = 16 * 1024 * 1024
CHUNK = 500
CALL_SECONDS = 30.0
REPORT_SECONDS = 10.0

Partition = tuple[str, int]


@dataclass(slots=True)
class Lane:
    """One owned partition. `next` is the offset after the last message read, `committed` where a restart begins."""

    topic: str
    partition: int
    committed: int
    next: int
    totals: Totals = field(default_factory=Totals)  # as committed
    ahead: Totals = field(default_factory=Totals)  # with the batches that are prepared
    reached_ms: int = 0  # receive time of the last message read
    end: int | None = None  # where the last end-of-partition event stood

    @property
    def name(self) -> str:
        return f"route.{self.topic}.{self.partition}"

    @property
    def at_end(self) -> bool:
        """Nothing more to read. The event may come with the messages before it, and stands behind their markers."""
        return self.end is not None and self.end >= self.next


def encode_totals(totals: Totals, destinations: Iterable[str]) -> str:
    """Offset metadata; where it would be too long, only with the counts of these destinations. Raises RouterError."""
    try:
        return offset_metadata.encode(totals.as_data(), lambda: totals.as_data(destinations))
    except MetadataTooLong as error:
        raise RouterError(f"the counts of {len(totals.routed)} destinations are too long: {error}") from error


def decode_totals(metadata: str) -> Totals:
    """The inverse. Raises MetadataError."""
    try:
        return Totals.from_data(offset_metadata.decode(metadata))
    except ValueError as error:
        raise not_ours(error) from error


class Reader:
    """A member of the route group.

    `open_consumer` gets the error callback; `on_gain` is called with new partitions paused, `on_loss` before they go.
    """

    def __init__(
        self,
        open_consumer: Callable[[Callable[[KafkaError], None]], Consumer],
        topics: Sequence[str],
        on_gain: Callable[[], None],
        on_loss: Callable[[bool], None],
        most: int = BATCH_MESSAGES,
    ) -> None:
        self._on_gain = on_gain
        self._on_loss = on_loss
        self._most = most
        self.lanes: list[Lane] = []
        self.index: dict[Partition, int] = {}
        self.broker_problem = ""
        self._generation = 0
        self._moved = self._paused = False
        self.consumer = open_consumer(self._broker_error)
        self.consumer.subscribe(list(topics), self._assigned, self._revoked, self._lost)

    def read(self, wait: float) -> list[Message]:
        """Messages that are there, at most `most` and about 16 MiB; waits only for the first."""
        if self._moved:
            self._go_on()  # only now: all that was read before has advanced its lane
        consume = self.consumer.consume
        generation = self._generation
        batch = self._good(consume(1, wait))
        size = 0
        while len(batch) < self._most:
            chunk = consume(min(CHUNK, self._most - len(batch)), 0)
            good = self._good(chunk)
            batch += good
            size += sum(map(len, good))
            if len(chunk) < CHUNK or size > BATCH_BYTES:
                break
        return batch if generation == self._generation else []  # rebalanced meanwhile: they will be read again

    def _good(self, messages: list[Message]) -> list[Message]:
        """Messages without the events (end of partition, errors) that come in between."""
        if not any(message.error() for message in messages):
            return messages
        good = []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            else:
                self._event(message, error)
        return good

    def _event(self, message: Message, error: KafkaError) -> None:
        code = error.code()
        partition = message.partition()
        place = (message.topic() or "", -1 if partition is None else partition)
        if code == KafkaError._PARTITION_EOF:
            if place in self.index:
                self.lanes[self.index[place]].end = message.offset()
        elif code == KafkaError._AUTO_OFFSET_RESET:
            self._gap(place)
        elif error.fatal() or code in _HOPELESS:
            raise Unavailable(f"cannot read {place[0] or 'from the broker'}: {error.str()}")
        else:
            log.warning("reading %s [%s]: %s", *place, error.str())

    def _gap(self, place: Partition) -> None:
        """The broker has dropped what was due: count it, say so, go on behind it."""
        if place not in self.index:
            return
        lane = self.lanes[self.index[place]]
        low, _ = log_ends(self.consumer, *place, CALL_SECONDS)
        lost = max(0, low - lane.next) if lane.next >= 0 else 0  # below 0: nothing was ever read of it
        metrics.LOST.labels(place[0], str(place[1])).inc(lost)
        log.error("LOST %d messages of %s [%d]: the broker no longer has them (retention)", lost, *place)
        lane.next = lane.committed = low
        self._moved = True

    def _go_on(self) -> None:
        """Assign anew behind a gap: librdkafka does not seek in a partition that has failed."""
        self._moved = False
        self.consumer.assign([TopicPartition(lane.topic, lane.partition, lane.next) for lane in self.lanes])
        if self._paused:
            self.pause()

    def advance(self, messages: Sequence[Message]) -> list[Lane]:
        """Move `next` of the lanes past these messages; returns the lanes that moved."""
        last: dict[Partition, Message] = {}
        for message in messages:
            last[message.topic(), message.partition()] = message  # type: ignore[index]
        moved = []
        for place, message in last.items():
            lane = self.lanes[self.index[place]]
            lane.next = (message.offset() or 0) + 1
            kind, at = message.timestamp()
            lane.reached_ms = at if kind == TIMESTAMP_LOG_APPEND_TIME else lane.reached_ms
            moved.append(lane)
        return moved

    def watermark_ms(self, now_ms: int) -> int:
        """The receive time that every owned partition has reached."""
        return min((now_ms if lane.at_end else lane.reached_ms for lane in self.lanes), default=0)

    def group(self) -> Any:
        """The group metadata; take it right after `read`, in the reading thread."""
        return self.consumer.consumer_group_metadata()

    def commit(self, offsets: list[TopicPartition]) -> None:
        """Commit without a transaction. Raises Unavailable when the broker refuses."""
        try:
            self.consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_OURS_ANY_MORE:
                raise Unavailable(f"offsets were not committed: {error.args[0].str()}") from error
            log.warning("offsets were not committed, the partitions have gone: %s", error.args[0].str())

    def lag(self, lane: Lane) -> int:
        """Messages between the lane and the end that the client last heard of."""
        _, high = self.consumer.get_watermark_offsets(TopicPartition(lane.topic, lane.partition), cached=True)
        return max(0, high - lane.next) if lane.next >= 0 and high >= 0 else 0

    def rewind(self) -> None:
        """Back to the committed offsets of all lanes."""
        for lane in self.lanes:
            lane.next = lane.committed
            lane.ahead = lane.totals.copy()
            lane.end = None
            try:
                self.consumer.seek(TopicPartition(lane.topic, lane.partition, lane.committed))
            except KafkaException as error:
                log.warning("seek %s [%d]: %s", lane.topic, lane.partition, error.args[0].str())

    def pause(self) -> None:
        self._paused = True
        self.consumer.pause(self._partitions())

    def resume(self) -> None:
        self._paused = False
        self.consumer.resume(self._partitions())

    def _partitions(self) -> list[TopicPartition]:
        return [TopicPartition(lane.topic, lane.partition) for lane in self.lanes]

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Start each partition, paused, at its stable committed offset; whoever restores state resumes it."""
        self._start(partitions)
        if not partitions:
            consumer.assign([])
            return
        self._mind_gaps()
        self.consumer.assign([TopicPartition(x.topic, x.partition, x.committed) for x in self.lanes])
        self.pause()
        self._on_gain()

    def _start(self, partitions: list[TopicPartition]) -> None:
        self._generation += 1
        self._moved = False
        self.lanes = [self._lane(tp) for tp in stable_offsets(self.consumer, partitions, CALL_SECONDS)]
        self.index = {(lane.topic, lane.partition): at for at, lane in enumerate(self.lanes)}

    def _mind_gaps(self) -> None:
        """Go on behind the gaps that partitions begin in: a pause swallows what the client has to say of one."""
        for place, index in self.index.items():
            if 0 <= self.lanes[index].next < log_ends(self.consumer, *place, CALL_SECONDS)[0]:
                self._gap(place)
        self._moved = False  # they are about to be assigned

    def _lane(self, committed: TopicPartition) -> Lane:
        start = OFFSET_BEGINNING if committed.offset == OFFSET_INVALID else committed.offset
        totals = decode_totals(text_of(committed))
        return Lane(committed.topic, committed.partition, start, start, totals, totals.copy())

    def _revoked(self, consumer: Consumer, _: list[TopicPartition]) -> None:
        self._go(consumer, lost=False)

    def _lost(self, consumer: Consumer, _: list[TopicPartition]) -> None:
        self._go(consumer, lost=True)

    def _go(self, consumer: Consumer, *, lost: bool) -> None:
        self._generation += 1
        self._on_loss(lost)
        self.lanes, self.index = [], {}
        consumer.unassign()

    def _broker_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.broker_problem = "no broker answers"

    def check_broker(self) -> str:
        """Why the broker is not there, or an empty string; asks again only after trouble."""
        if self.broker_problem:
            try:
                self.consumer.list_topics(timeout=1)
                self.broker_problem = ""
            except KafkaException:
                log.debug("the broker still does not answer")
        return self.broker_problem

    def close(self) -> None:
        """Leave the group."""
        self.consumer.close()


_NOT_OURS_ANY_MORE = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._NO_OFFSET,
    }
)
_HOPELESS = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError._MAX_POLL_EXCEEDED,
    }
)
