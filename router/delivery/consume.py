"""The consuming side of one destination: a thread that reads its topic and hands messages to the event loop.

What it reads is not committed here: kill -9 repeats what the committer has not made durable. When the owner has no
room, or a partition's span past its first unfinished event is too long, partitions are paused and polling goes on.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from confluent_kafka import Consumer, Message, TopicPartition

from router.delivery.in_flight import InFlightLimit
from router.delivery.item import OVERHEAD, Partition
from router.delivery.tracker import SPAN
from router.kafka.group_consumer import GroupConsumer
from router.kafka.transactions import CommitRefused

MOST = 101  # messages that are handed over together
POLL_SECONDS = 0.5
COMMITTING_POLL_SECONDS = 0.1  # at_least_once: a commit waits for the poll that is running
PAUSED_POLL_SECONDS = 0.05
ROOM_SECONDS = 0.5  # waited for room before partitions are paused, which throws away what was fetched ahead
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


class DestinationConsumer:
    """Runs `run` in a thread of its own from `start` to `stop`. `commits` says that `commit` will be used.

    `group` is the metadata of the group's present generation, `client` makes the Kafka client of the settings.
    """

    def __init__(
        self, settings: Mapping[str, Any], topic: str, owner: Owner, in_flight: InFlightLimit, *, commits: bool,
        client: Callable[[dict[str, Any]], Consumer] = Consumer,
    ) -> None:  # fmt: skip
        self._owner = owner
        self._in_flight = in_flight
        self._full = False  # no room: all partitions are paused
        self._span_paused: set[int] = set()
        self._poll_seconds = COMMITTING_POLL_SECONDS if commits else POLL_SECONDS
        self._commits: queue.SimpleQueue[tuple[list[TopicPartition], Future[None]]] = queue.SimpleQueue()
        self._housekeeping = 0.0
        self._stopping = threading.Event()
        self.group: Any = None
        self.lag = 0
        self.polled = time.monotonic()
        self._consumer = GroupConsumer(settings, [topic], Partition.open, most=MOST, client=client)
        self._thread = threading.Thread(target=self.run, name=f"consume-{topic}", daemon=True)

    @property
    def joined(self) -> bool:
        return self._consumer.joined

    @property
    def problem(self) -> str:
        """Why the broker is not there, or an empty string."""
        return self._consumer.problem

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Give back all partitions and leave the group; `join` waits for it."""
        self._stopping.set()

    def join(self) -> None:
        self._thread.join()

    def run(self) -> None:
        try:
            self._consumer.join(self)
            while not self._stopping.is_set():
                self._turn()
            self._consumer.close()
        except BaseException as error:  # noqa: BLE001  handed to the owner, which ends the process
            self._owner.failed(error)

    def _turn(self) -> None:
        self._serve_commits()
        self._pause_and_resume()
        self._keep_house()
        self.polled = time.monotonic()
        paused = self._full or self._span_paused
        self._hand_over(self._consumer.read(PAUSED_POLL_SECONDS if paused else self._poll_seconds))

    def _hand_over(self, messages: Sequence[Message]) -> None:
        if messages:
            state_of = self._consumer.state_of
            self._in_flight.add(len(messages), sum(map(len, messages)) + len(messages) * OVERHEAD)
            self._owner.taken([(state_of(message), message) for message in messages])

    # Commits

    def commit(self, offsets: list[TopicPartition]) -> None:
        """For at_least_once, from any thread but the consuming one. Raises CommitRefused.

        The consuming thread does it between two polls: a client's calls from other threads wait until none runs.
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
            self._consumer.commit(offsets)
        except CommitRefused as refused:
            done.set_exception(refused)
        else:
            done.set_result(None)

    # Pausing

    def _pause_and_resume(self) -> None:
        """Pause where there is no room, resume where there is."""
        if self._full:
            self._full = not self._in_flight.has(0.5)
        else:
            self._full = not self._in_flight.has() and not self._in_flight.wait(ROOM_SECONDS)
        partitions = self._consumer.partitions
        for partition in partitions:
            self._look_at_span(partition)
        self._consumer.set_paused(
            partitions if self._full else [one for one in partitions if one.number in self._span_paused]
        )

    def _look_at_span(self, partition: Partition) -> None:
        span, number = partition.tracker.span, partition.number
        if number in self._span_paused:
            if span < SPAN // 2:
                self._span_paused.discard(number)
        elif span >= SPAN:
            self._span_paused.add(number)
            log.warning("%s [%d] waits for its first unfinished event", *partition.place)

    # The owner of the partitions; called from within the consumer

    def assigned(self, partitions: list[Partition]) -> None:
        self._span_paused.clear()
        self.group = self._consumer.group_metadata()
        self._owner.assigned(partitions)

    def revoked(self, *, lost: bool) -> None:
        """Partitions go once the owner has committed what it can; its commits come here meanwhile."""
        if self._consumer.partitions:
            given_back = self._owner.released(lost=lost)
            until = time.monotonic() + RELEASE_SECONDS
            while not given_back.done() and time.monotonic() < until:
                self._serve_commits(0.02)
            given_back.result(0)

    def reached_end(self, partition: Partition) -> None:
        if partition.end is not None:
            self._owner.reached(partition, partition.end)

    def skipped(self, partition: Partition, offset: int, *, recreated: bool) -> Partition:
        if not recreated:
            self._owner.reached(partition, offset)
            return partition
        new = partition.recreated(offset)
        self._owner.replaced(partition, new)
        return new

    # Housekeeping

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now >= self._housekeeping:
            self._housekeeping = now + HOUSEKEEPING_SECONDS
            self.lag = sum(map(self._consumer.lag, self._consumer.partitions))
            self._consumer.check_broker()
