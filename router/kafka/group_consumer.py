"""A member of a consumer group: which partitions it owns, where each stands, what is there to read.

Offsets are explicit: a partition starts at its committed offset, else at its beginning, and never resets by itself.
When the broker no longer has the offset that is due, the gap is counted as lost and alarmed; reading goes on behind it.
A member that is killed has committed nothing by itself: the next owner begins at what `committed` says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

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
from router.errors import Unavailable
from router.kafka.offset_metadata import text_of
from router.kafka.offsets import PartitionKey, log_ends, stable_offsets
from router.kafka.partition_state import PartitionState
from router.kafka.transactions import CommitRefused

log = logging.getLogger(__name__)
BATCH_MESSAGES = 2000
BATCH_BYTES = 16 * 1024 * 1024
CHUNK = 500
CALL_SECONDS = 30.0
CHECK_SECONDS = 1.0


State = TypeVar("State", bound=PartitionState)


class PartitionOwner(Protocol[State]):
    """Who the partitions are for. Called in the consuming thread, from within its calls."""

    def assigned(self, partitions: list[State]) -> None:
        """These are owned from now on, if any, paused until `set_paused` says otherwise."""

    def revoked(self, *, lost: bool) -> None:
        """All partitions go when this returns; with `lost` they are another member's already."""

    def reached_end(self, partition: State) -> None:
        """Nothing more to read before `partition.end`. Called by the next `read`: what came before was returned."""

    def skipped(self, partition: State, offset: int, *, recreated: bool) -> State:
        """Reading goes on at `offset`, past a gap, or at the beginning of a topic that was `recreated`.

        Returns the state to go on with. Called as `reached_end`, or before anything was read.
        """


class GroupConsumer(Generic[State]):
    """`open_state` makes the state of a partition: topic, number, committed offset (OFFSET_BEGINNING: none), metadata.

    `client` makes the Kafka client of the settings. All methods are for one thread; `join` comes first.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        topics: Sequence[str],
        open_state: Callable[[str, int, int, str], State],
        *,
        most: int = BATCH_MESSAGES,
        client: Callable[[dict[str, Any]], Consumer] = Consumer,
    ) -> None:
        self._topics = list(topics)
        self._open_state = open_state
        self._most = most
        self._owner: PartitionOwner[State]
        self.partitions: list[State] = []
        self.index: dict[PartitionKey, int] = {}  # of each partition in `partitions`
        self.generation = 0  # changes whenever partitions come or go
        self.joined = False
        self.problem = ""  # why the broker is not there
        self._paused: set[PartitionKey] = set()
        self._advanced: dict[PartitionKey, State] = {}
        self._ended: list[State] = []  # what the owner has yet to hear of
        self._in_gaps: list[State] = []
        self._assign_again = False
        self._client = client({**settings, "error_cb": self._broker_error})

    def join(self, owner: PartitionOwner[State]) -> None:
        self._owner = owner
        self._client.subscribe(self._topics, self._assigned, self._revoked, self._lost)

    # Reading

    def read(self, wait: float) -> Sequence[Message]:
        """Messages that are there, at most `most` and about 16 MiB; waits only for the first. Moves past them.

        Nothing when partitions came or went meanwhile: their next owner reads the messages again.
        """
        self._tell_owner()
        consume = self._client.consume
        generation = self.generation
        batch = self._take(consume(1, wait), generation)
        size = 0
        while len(batch) < self._most:
            chunk = consume(min(CHUNK, self._most - len(batch)), 0)
            messages = self._take(chunk, generation)
            batch += messages
            size += sum(map(len, messages))
            if len(chunk) < CHUNK or size > BATCH_BYTES:
                break
        return batch if generation == self.generation else []

    def stay(self, wait: float) -> None:
        """Stay in the group while all partitions are paused."""
        if self._without_events(self._client.consume(1, wait)):
            self._assign_again = True  # fetched before the pause, and not for now

    def _take(self, messages: list[Message], generation: int) -> list[Message]:
        if any(message.error() for message in messages):
            messages = self._without_events(messages, generation)
        elif generation == self.generation:
            self._advance(messages)
        return messages

    def _without_events(self, messages: list[Message], advancing: int | None = None) -> list[Message]:
        """The messages without what the broker says in between, which is looked at after them."""
        good = [message for message in messages if message.error() is None]
        if advancing == self.generation:
            self._advance(good)
        for message in messages:
            if (error := message.error()) is not None:
                number = message.partition()
                self._event((message.topic() or "", -1 if number is None else number), message.offset(), error)
        return good

    def _advance(self, messages: Iterable[Message]) -> None:
        last: dict[Any, Message] = {}
        for message in messages:
            last[message.topic(), message.partition()] = message
        for place, message in last.items():
            self._advance_to(place, message.offset() or 0, *message.timestamp())

    def _advance_to(self, place: PartitionKey, offset: int, kind: int, at: int) -> None:
        """The last message that was read of a partition: its offset, and its time with the kind of that."""
        state = self.partitions[self.index[place]]
        state.next = offset + 1
        if kind == TIMESTAMP_LOG_APPEND_TIME:
            state.reached_ms = at
        self._advanced[place] = state

    def advanced(self) -> list[State]:
        """The partitions that `read` has moved since this was last asked."""
        moved = list(self._advanced.values())
        self._advanced.clear()
        return moved

    def state_of(self, message: Message) -> State:
        """The partition of a message that was just read."""
        return self.partitions[self.index[message.topic(), message.partition()]]  # type: ignore[index]

    def group_metadata(self) -> Any:
        """Of the present generation; take it right after `read`."""
        return self._client.consumer_group_metadata()

    # Events and gaps

    def _event(self, place: PartitionKey, offset: int | None, error: KafkaError) -> None:
        code = error.code()
        state = self.partitions[self.index[place]] if place in self.index else None
        if code == KafkaError._PARTITION_EOF:
            if state is not None:
                state.end = offset
                self._ended.append(state)
        elif code == KafkaError._AUTO_OFFSET_RESET:
            if state is not None:
                self._in_gaps.append(state)
        elif code in _MISSING:
            raise Unavailable(f"the topic {place[0]} is not there: run `router topics apply` first")
        elif error.fatal() or code in _HOPELESS:
            raise Unavailable(f"cannot read {place[0] or 'from the broker'}: {error.str()}")
        else:
            log.warning("reading %s [%s]: %s", *place, error.str())

    def _tell_owner(self) -> None:
        """Pass on what was said between the messages, now that the owner has those."""
        ended, gaps = self._ended, self._in_gaps
        self._ended, self._in_gaps = [], []
        for state in ended:
            self._owner.reached_end(state)
        for state in gaps:
            self._skip_gap(state, self._beginning(state))
        if self._assign_again:
            self._assign()  # librdkafka does not seek in a partition that has failed

    def _beginning(self, state: State) -> int:
        return log_ends(self._client, *state.place, CALL_SECONDS)[0]

    def _skip_gap(self, state: State, low: int) -> None:
        """The broker does not have the offset that is due: count what is lost, say so, go on at its first one."""
        due = state.due
        recreated = 0 <= low <= due
        if recreated:
            log.warning("%s [%d] begins anew: it was deleted and made again", *state.place)
        elif due >= 0:
            metrics.LOST.labels(state.topic, str(state.number)).inc(low - due)
            log.error("LOST %d messages of %s [%d]: the broker no longer has them (retention)", low - due, *state.place)
        state = self._owner.skipped(state, low, recreated=recreated)
        state.next = state.committed = low
        state.end = None
        self.partitions[self.index[state.place]] = state
        self._assign_again = True

    # Positions

    def rewind(self) -> None:
        """Back to the committed offsets of all partitions."""
        self._advanced.clear()
        for state in self.partitions:
            state.next, state.end = state.committed, None
            try:
                self._client.seek(TopicPartition(*state.place, state.committed))
            except KafkaException as error:
                log.warning("seek %s [%d]: %s", *state.place, error.args[0].str())

    def commit(self, offsets: list[TopicPartition]) -> None:
        """Commit without a transaction. Raises CommitRefused."""
        try:
            for row in self._client.commit(offsets=offsets, asynchronous=False) or ():
                if row.error:
                    raise KafkaException(row.error)
        except KafkaException as error:
            raise CommitRefused(error.args[0].name()) from error

    def lag(self, state: State) -> int:
        """Messages between a partition's position and the end that the client last heard of; markers count as one."""
        low, high = self._client.get_watermark_offsets(TopicPartition(*state.place), cached=True)
        return max(0, high - max(low, state.due)) if high > 0 else 0

    # Pausing

    def set_paused(self, partitions: Iterable[State]) -> None:
        """Pause these partitions and let all others go on. Pausing throws away what was fetched ahead."""
        wanted = {state.place for state in partitions}
        to_pause, to_resume = wanted - self._paused, self._paused - wanted
        self._paused = wanted
        if to_pause:
            self._client.pause(_rows(to_pause))
        if to_resume:
            self._client.resume(_rows(to_resume))

    # Rebalancing; these run inside `read`, `stay` and `close`

    def _assigned(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        """Start each partition, paused, at its stable committed offset."""
        self._begin_generation([self._opened(row) for row in stable_offsets(client, partitions, CALL_SECONDS)])
        self._paused = set(self.index)
        self.joined = True
        self._owner.assigned(list(self.partitions))
        self._look_for_gaps()
        self._assign()

    def _opened(self, row: TopicPartition) -> State:
        if row.offset == OFFSET_INVALID:
            return self._open_state(row.topic, row.partition, OFFSET_BEGINNING, "")
        return self._open_state(row.topic, row.partition, row.offset, text_of(row))

    def _begin_generation(self, partitions: list[State]) -> None:
        self.generation += 1
        self.partitions = partitions
        self.index = {state.place: at for at, state in enumerate(partitions)}
        self._advanced.clear()
        self._ended, self._in_gaps = [], []

    def _look_for_gaps(self) -> None:
        """Go on behind the gaps that partitions begin in: a pause swallows what the client has to say of one."""
        for state in self.partitions:
            if state.next >= 0 and state.next < (low := self._beginning(state)):
                self._skip_gap(state, low)

    def _assign(self) -> None:
        self._assign_again = False
        self._client.assign([TopicPartition(*state.place, state.next) for state in self.partitions])
        if self._paused:
            self._client.pause(_rows(self._paused))

    def _revoked(self, client: Consumer, _: list[TopicPartition]) -> None:
        self._give_up(client, lost=False)

    def _lost(self, client: Consumer, _: list[TopicPartition]) -> None:
        self._give_up(client, lost=True)

    def _give_up(self, client: Consumer, *, lost: bool) -> None:
        self.generation += 1
        self._owner.revoked(lost=lost)
        self._begin_generation([])
        self._paused = set()
        client.unassign()

    # The broker

    def _broker_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.problem = "no broker answers"
        elif error.fatal():
            self.problem = error.str()

    def check_broker(self) -> str:
        """Why the broker is not there, or an empty string; asks again only after trouble."""
        if self.problem:
            try:
                self._client.list_topics(self._topics[0], timeout=CHECK_SECONDS)
                self.problem = ""
            except KafkaException:
                log.debug("the broker still does not answer")
        return self.problem

    def group_offset(self, topic: str, number: int, seconds: float) -> int:
        """What the group has committed of a partition, whoever owns it; negative: nothing. Raises KafkaException."""
        return self._client.committed([TopicPartition(topic, number)], seconds)[0].offset

    def close(self) -> None:
        """Leave the group."""
        self._client.close()


def _rows(places: Iterable[PartitionKey]) -> list[TopicPartition]:
    return [TopicPartition(*place) for place in sorted(places)]


_MISSING = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC})
_HOPELESS = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError._MAX_POLL_EXCEEDED,
    }
)
