"""The consuming side of one destination: a thread that polls its topic and hands messages to the event loop.

A member of the destination's group. Offsets are explicit: a partition starts at its committed offset, else at its
beginning; what the broker no longer has is counted as lost and alarmed. When the owner has no room, or a partition's
span past its first unfinished event is too long, partitions are paused and polling goes on.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from router import metrics
from router.delivery.in_flight import InFlightLimit
from router.delivery.item import OVERHEAD, Partition
from router.delivery.tracker import SPAN, Tracker, decode
from router.errors import Unavailable
from router.kafka.ends import log_ends
from router.kafka.offset_metadata import text_of
from router.kafka.offsets import stable_offsets
from router.kafka.transactions import CommitRefused

CHUNK = 100
POLL_SECONDS = 0.5
COMMITTING_POLL_SECONDS = 0.1  # at_least_once: a commit waits for the poll that is running
HELD_POLL_SECONDS = 0.05
ROOM_SECONDS = 0.5  # waited for room before partitions are paused, which throws away what was fetched ahead
CALL_SECONDS = 30.0
COMMIT_SECONDS = 20.0
RELEASE_SECONDS = 40.0  # below max.poll.interval
HOUSEKEEPING_SECONDS = 1.0

log = logging.getLogger(__name__)


class Owner(Protocol):
    """Who gets the messages. All return at once; the future ends when the partitions are given back."""

    def assigned(self, partitions: list[Partition]) -> None: ...
    def released(self, *, lost: bool) -> Future[None]: ...
    def taken(self, batch: list[tuple[Partition, Message]]) -> None: ...
    def reached(self, partition: Partition, offset: int) -> None: ...
    def replaced(self, old: Partition, new: Partition) -> None: ...
    def failed(self, error: BaseException) -> None: ...


class Reader:
    """Runs `run` in a thread of its own from `start` to `stop`. `commits` says that `commit` will be used.

    `group` is the metadata of the group's present generation.
    """

    def __init__(
        self, settings: Mapping[str, Any], topic: str, owner: Owner, in_flight: InFlightLimit, *, commits: bool
    ) -> None:
        self._topic = topic
        self._owner = owner
        self._in_flight = in_flight
        self._partitions: dict[int, Partition] = {}
        self._position: dict[int, int | None] = {}
        self._wide: set[int] = set()
        self._poll_seconds = COMMITTING_POLL_SECONDS if commits else POLL_SECONDS
        self._commits: queue.SimpleQueue[tuple[list[TopicPartition], Future[None]]] = queue.SimpleQueue()
        self._held = self._fresh = self._moved = False
        self._generation = 0
        self._house = 0.0
        self._stopping = threading.Event()
        self.group: Any = None
        self.joined = False
        self.lag = 0
        self.polled = time.monotonic()
        self.problem = ""
        self._consumer = Consumer({**settings, "error_cb": self._broker_error})
        self._thread = threading.Thread(target=self.run, name=f"consume-{topic}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Give back all partitions and leave the group; `join` waits for it."""
        self._stopping.set()

    def join(self) -> None:
        self._thread.join()

    def run(self) -> None:
        try:
            self._consumer.subscribe([self._topic], self._assigned, self._revoked, self._lost)
            while not self._stopping.is_set():
                self._turn()
            self._consumer.close()
        except BaseException as error:  # noqa: BLE001  handed to the owner, which ends the process
            self._owner.failed(error)

    def commit(self, offsets: list[TopicPartition]) -> None:
        """For at_least_once, from any thread but the reader's. Raises CommitRefused.

        The reader's thread does it between two polls: a client's calls from other threads wait until none runs.
        """
        done: Future[None] = Future()
        self._commits.put((offsets, done))
        try:
            done.result(COMMIT_SECONDS)
        except TimeoutError:
            raise CommitRefused("COMMIT_TIMED_OUT") from None

    def _serve_commits(self, wait: float = 0.0) -> None:
        try:
            offsets, done = self._commits.get(wait > 0, wait)
        except queue.Empty:
            return
        try:
            for place in self._consumer.commit(offsets=offsets, asynchronous=False) or ():
                if place.error:
                    raise KafkaException(place.error)
        except KafkaException as error:
            done.set_exception(CommitRefused(error.args[0].name()))
        else:
            done.set_result(None)

    def _turn(self) -> None:
        self._serve_commits()
        self._flow()
        self._keep_house()
        self.polled = time.monotonic()
        generation = self._generation
        first = self._consumer.poll(HELD_POLL_SECONDS if self._held or self._wide else self._poll_seconds)
        if first is None:
            return
        messages = [first, *self._consumer.consume(CHUNK, 0)]
        if generation == self._generation:  # else they are read again, paused partitions had none
            self._hand_over(messages)

    def _hand_over(self, messages: Sequence[Message]) -> None:
        batch: list[tuple[Partition, Message]] = []
        size = 0
        for message in messages:
            error = message.error()
            if error is not None:
                self._event(message, error)
                continue
            number, offset = message.partition(), message.offset()
            assert number is not None
            assert offset is not None
            self._position[number] = offset + 1
            batch.append((self._partitions[number], message))
            size += len(message) + OVERHEAD
        if batch:
            self._in_flight.add(len(batch), size)
            self._owner.taken(batch)
        if self._moved:
            self._begin(self._consumer)

    def _event(self, message: Message, error: KafkaError) -> None:
        code, number = error.code(), message.partition()
        partition = None if number is None else self._partitions.get(number)
        if code == KafkaError._PARTITION_EOF:
            if partition is not None:
                self._position[partition.number] = message.offset()
                self._owner.reached(partition, message.offset() or 0)
        elif code == KafkaError._AUTO_OFFSET_RESET:
            if partition is not None:
                self._gap(partition)
        elif code in _MISSING:
            raise Unavailable(f"the topic {self._topic} is not there: run `router topics apply` first")
        elif error.fatal() or code in _HOPELESS:
            raise Unavailable(f"cannot read {self._topic}: {error.str()}")
        else:
            log.warning("reading %s: %s", self._topic, error.str())

    def _gap(self, partition: Partition) -> None:
        """The broker does not have the offset that is due: go on at its first one."""
        low, _ = log_ends(self._consumer, self._topic, partition.number, CALL_SECONDS)
        due = self._position[partition.number] or 0
        if low > due:
            metrics.LOST.labels(self._topic, str(partition.number)).inc(low - due)
            log.error("LOST %d messages of %s [%d] (retention)", low - due, self._topic, partition.number)
            self._owner.reached(partition, low)
        else:
            log.warning("%s [%d] begins anew: it was deleted and made again", self._topic, partition.number)
            new = Partition(self._topic, partition.number, Tracker(low), partition.counts)
            self._partitions[partition.number] = new
            self._owner.replaced(partition, new)
        self._position[partition.number] = low
        self._moved = True

    # Pausing

    def _flow(self) -> None:
        """Pause where there is no room, resume where there is."""
        if self._fresh:
            self._fresh = False
            self._consumer.resume(self._places(self._partitions))
        if self._held:
            if self._in_flight.has(0.5):
                self._held = False
                self._consumer.resume(self._places(self._partitions.keys() - self._wide))
        elif not self._in_flight.has() and not self._in_flight.wait(ROOM_SECONDS):
            self._held = True
            self._consumer.pause(self._places(self._partitions))
        self._flow_of_each()

    def _flow_of_each(self) -> None:
        for number, partition in self._partitions.items():
            span = partition.tracker.span
            if number in self._wide:
                if span < SPAN // 2:
                    self._wide.discard(number)
                    if not self._held:
                        self._consumer.resume(self._places([number]))
            elif span >= SPAN:
                self._wide.add(number)
                self._consumer.pause(self._places([number]))
                log.warning("%s [%d] waits for its first unfinished event", self._topic, number)

    def _places(self, numbers: Any) -> list[TopicPartition]:
        return [TopicPartition(self._topic, number) for number in numbers]

    # Rebalancing; these run inside poll and close

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._partitions, self._position = {}, {}
        for place in stable_offsets(consumer, partitions, CALL_SECONDS):
            start = None if place.offset == OFFSET_INVALID else place.offset
            counts, done = decode(text_of(place) if start is not None else "", start or 0)
            self._partitions[place.partition] = Partition(self._topic, place.partition, Tracker(start, done), counts)
            self._position[place.partition] = start
        self._generation += 1
        self.group = consumer.consumer_group_metadata()
        self.joined = True
        self._owner.assigned(list(self._partitions.values()))
        self._mind_gaps()
        self._begin(consumer)

    def _mind_gaps(self) -> None:
        """Go on behind the gaps that partitions begin in: a pause swallows what the client has to say of one."""
        for number, at in self._position.items():
            if at is not None and at < log_ends(self._consumer, self._topic, number, CALL_SECONDS)[0]:
                self._gap(self._partitions[number])

    def _begin(self, consumer: Consumer) -> None:
        """Assign each partition where it stands, paused until the next turn.

        Not by seeking: a partition whose offset the broker did not have refuses that.
        """
        starts = {number: OFFSET_BEGINNING if at is None else at for number, at in self._position.items()}
        consumer.assign([TopicPartition(self._topic, number, at) for number, at in starts.items()])
        consumer.pause(self._places(self._partitions))
        self._held, self._moved, self._fresh, self._wide = False, False, True, set()

    def _revoked(self, consumer: Consumer, _: list[TopicPartition]) -> None:
        self._go(consumer, lost=False)

    def _lost(self, consumer: Consumer, _: list[TopicPartition]) -> None:
        self._go(consumer, lost=True)

    def _go(self, consumer: Consumer, *, lost: bool) -> None:
        self._generation += 1
        if self._partitions:
            given_back = self._owner.released(lost=lost)
            until = time.monotonic() + RELEASE_SECONDS
            while not given_back.done() and time.monotonic() < until:
                self._serve_commits(0.02)
            given_back.result(0)
        self._partitions, self._position, self._wide = {}, {}, set()
        consumer.unassign()

    # Housekeeping

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now < self._house:
            return
        self._house = now + HOUSEKEEPING_SECONDS
        self.lag = sum(self._lag_of(number) for number in self._partitions)
        if self.problem:
            try:
                self._consumer.list_topics(self._topic, 1)
                self.problem = ""
            except KafkaException:
                log.debug("the broker still does not answer")

    def _lag_of(self, number: int) -> int:
        low, high = self._consumer.get_watermark_offsets(TopicPartition(self._topic, number), cached=True)
        position = self._position[number]
        return max(0, high - max(low, position or 0)) if high is not None and high > 0 else 0

    def _broker_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.problem = "no broker answers"
        elif error.fatal():
            self.problem = error.str()


_MISSING = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC})
_HOPELESS = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError._MAX_POLL_EXCEEDED,
    }
)
