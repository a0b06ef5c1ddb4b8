"""A checkpoint: the steps by which one batch becomes durable. Each guarantee says what kill -9 after a step leaves.

1 produce outputs, 2 produce changelog, 3 send offsets, 4 commit, 5 write local state.

`publish` may run in a thread of its own, while the next batch is prepared; `apply` is for the thread that owns the
consumer and the local state.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from confluent_kafka import TopicPartition

from router.dedupe.window import NO_ROWS, Rows
from router.events.fans import Fan
from router.events.records import PlacedRecord, Record
from router.kafka.transactions import Transactions
from router.kafka.writer import Writer


@dataclass(slots=True)
class CommitBatch:
    """What one checkpoint makes durable: records, one changelog value for each partition, the local state's rows, and
    where the input stands after it. `group` is the metadata taken right after the input was consumed; `landed` is what
    `publish` found: the next changelog offset of each partition. `placed` records go to partitions of the owner's
    choice, with the outputs; `places` are their offsets.
    """

    records: Sequence[Record]
    offsets: list[TopicPartition]
    group: Any = None
    shared: Collection[Fan] = ()
    changelog: Mapping[int, bytes] = field(default_factory=dict)
    rows: Rows = NO_ROWS
    landed: dict[int, int] = field(default_factory=dict)
    placed: Sequence[PlacedRecord] = ()
    places: list[int] = field(default_factory=list)


class LocalState(Protocol):
    """What this process keeps of its input: rows, and the changelog offset that they reflect, in one write."""

    def write(self, rows: Rows, checkpoints: dict[int, int]) -> None: ...


class Checkpoint(Protocol):
    """One guarantee."""

    def publish(self, batch: CommitBatch) -> None:
        """Raises TransactionAborted when nothing of it stands, Fenced or Unavailable when this process must end."""

    def apply(self, batch: CommitBatch) -> None:
        """After `publish`. May be repeated until it returns. Raises CommitRefused or Unavailable."""

    def close(self) -> None: ...


def committing(checkpoint: Checkpoint) -> Callable[[Sequence[Record], list[TopicPartition], Any], None]:
    """All steps in one call, for an owner of records and offsets alone. Raises what the steps raise."""

    def commit(records: Sequence[Record], offsets: list[TopicPartition], group: Any) -> None:
        batch = CommitBatch(records, offsets, group)
        checkpoint.publish(batch)
        checkpoint.apply(batch)

    return commit


class ExactlyOnce:
    """Outputs, changelog and offsets in one transaction.

    kill -9 after 1, 2 or 3 leaves an open transaction, which no reader sees and the broker aborts; the batch is read
    again. After 4 all of the batch is done, and local state is behind by it until it is restored from the changelog.
    5 is one write, which is there or is not.
    """

    def __init__(self, transactions: Transactions, state: LocalState | None = None) -> None:
        self._transactions = transactions
        self._state = state

    def publish(self, batch: CommitBatch) -> None:
        with self._transactions.transaction() as transaction:
            transaction.produce(batch.records, batch.shared)  # 1
            transaction.produce_placed(batch.placed)
            transaction.produce_changelog(batch.changelog)  # 2
            transaction.send_offsets(batch.offsets, batch.group)  # 3
            batch.landed = transaction.commit()  # 4
            batch.places = transaction.places

    def apply(self, batch: CommitBatch) -> None:
        if self._state is not None:
            self._state.write(batch.rows, batch.landed)  # 5

    def close(self) -> None:
        self._transactions.close()


class AtLeastOnce:
    """Outputs first, offsets last, for brokers without transactions. `commit_offsets` is None where another commits.

    kill -9 after 1 leaves any part of the outputs; the batch is read again, so that part is repeated. After 2 or 5 all
    outputs are there and so are their keys, by which the batch, read again, is dropped. A key is known only once its
    output is durable: when in doubt, emit.
    """

    def __init__(
        self,
        writer: Writer,
        commit_offsets: Callable[[list[TopicPartition]], None] | None,
        state: LocalState | None = None,
    ) -> None:
        self._writer = writer
        self._commit_offsets = commit_offsets
        self._state = state

    def publish(self, batch: CommitBatch) -> None:
        writer = self._writer
        writer.start()
        writer.produce_reported(batch.records, batch.shared)  # 1
        writer.produce_placed(batch.placed)
        writer.flush()
        batch.places = writer.places
        writer.produce_changelog(batch.changelog)  # 2
        writer.flush()
        batch.landed = writer.landed

    def apply(self, batch: CommitBatch) -> None:
        if self._state is not None:
            self._state.write(batch.rows, batch.landed)  # 5
        if self._commit_offsets is not None and batch.offsets:
            self._commit_offsets(batch.offsets)  # 3, 4

    def close(self) -> None:
        self._writer.close()
