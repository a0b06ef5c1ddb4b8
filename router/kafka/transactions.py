"""Transactions of one process: calls repeated where librdkafka says so, aborts, producers that alternate.

kill -9 at any point leaves a transaction open. The broker aborts it after `transaction.timeout.ms`, or as soon as a
producer with the same transactional id starts; readers at read_committed never see any of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from router.errors import Fenced, RouterError, Unavailable
from router.kafka.failure import translated
from router.kafka.native_producer import NativeFan
from router.kafka.watchdog import Watchdog
from router.kafka.writer import Writer

log = logging.getLogger(__name__)
CALL_SECONDS = 10.0
RETRY_SECONDS = 30.0  # by then the coordinator has aborted whatever was open
RETRY_PAUSE_SECONDS = 0.05
HANGS_TICKS = 16  # each call is given 10 s; a busy machine may hear of that late

# The group has given the partitions to another member: trying again cannot succeed.
_OF_AN_OLD_GENERATION = frozenset({"ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "FENCED_INSTANCE_ID", "_NO_OFFSET"})


class CommitRefused(RouterError):
    """The broker refused a commit; nothing of it stands. `code` is the broker's name for the reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    @property
    def revoked(self) -> bool:
        """Whether the group has given the partitions to another member."""
        return self.code in _OF_AN_OLD_GENERATION

    @property
    def rebalancing(self) -> bool:
        """Whether the group is about to give the partitions to another member."""
        return self.code == "REBALANCE_IN_PROGRESS"


class TransactionAborted(CommitRefused):
    """The transaction was aborted as a whole. Rewind and read its input again, or commit the same once more."""


class Transactions(Protocol):
    """One transaction at a time."""

    def transaction(self) -> AbstractContextManager[TransactionalWriter]:
        """A transaction that has begun; `commit` it inside.

        Leaving by a KafkaException aborts it and raises TransactionAborted; Fenced or Unavailable when the producer is
        of no further use.
        """

    def close(self) -> None: ...


class TransactionalWriter(Writer):
    """One transactional producer. Making one fences the producer that had its id before. Raises RouterError."""

    def __init__(
        self,
        producer: Producer,
        changelog: str = "",
        watchdog: Watchdog | None = None,
        native: NativeFan | None = None,
    ) -> None:
        super().__init__(producer, changelog, native)
        self._watchdog = watchdog or Watchdog(HANGS_TICKS)
        with translated("transactions"):
            self._call("init_transactions", CALL_SECONDS)

    @contextmanager
    def transaction(self) -> Iterator[TransactionalWriter]:
        self.start()
        try:
            self._call("begin_transaction")
            yield self
        except KafkaException as error:
            self._abort(error)

    def send_offsets(self, offsets: list[TopicPartition], group: Any) -> None:
        """`group` must be the metadata taken right after the input was consumed, in the consuming thread."""
        self._call("send_offsets_to_transaction", offsets, group, CALL_SECONDS)

    def commit(self) -> dict[int, int]:
        """Returns the next changelog offset of each partition written."""
        self._call("commit_transaction", CALL_SECONDS)
        self._is_over()
        return self.landed

    def _call(self, name: str, *arguments: Any) -> None:
        """Make the call; repeat it while librdkafka calls its failure retriable, raise the rest."""
        deadline = time.monotonic() + RETRY_SECONDS
        while True:
            try:
                with self._watchdog.watch(name):
                    getattr(self._producer, name)(*arguments)
                return
            except KafkaException as error:
                cause = error.args[0]
                if cause.fatal() or not cause.retriable() or cause.txn_requires_abort():
                    raise
                if time.monotonic() > deadline:
                    raise Unavailable(f"the broker does not finish a transaction: {cause.str()}") from error
                time.sleep(RETRY_PAUSE_SECONDS)

    def _abort(self, error: KafkaException) -> None:
        """Undo what was begun, then raise.

        Not every error of a failed transaction says that it needs an abort: `produce` calls it a wrong state.
        """
        cause: KafkaError = error.args[0]
        if cause.fatal():
            raise Fenced(f"this worker's transactions are over: {cause.str()}") from error
        try:
            self._call("abort_transaction", CALL_SECONDS)
        except KafkaException as second:
            if second.args[0].fatal():
                raise Fenced(f"this worker's transactions are over: {second.args[0].str()}") from second
            raise Unavailable(f"the transaction failed: {cause.str()}") from second
        self._is_over()
        raise TransactionAborted(cause.name()) from error

    def _is_over(self) -> None:
        if self._native is not None:
            self._native.take_back()

    def close(self) -> None:
        try:
            self._producer.close()
        except KafkaException as error:
            log.warning("the producer was over before it was closed: %s", error.args[0].str())
        self._watchdog.close()


class AlternatingWriters:
    """Two transactional producers that take turns; one transaction is over before the next begins.

    The broker says that a transaction is committed before it has written so in each partition. Until then it turns the
    producer's next transaction away, which costs 20 to 100 ms of waiting; it lets the other producer begin. kill -9
    leaves one transaction open at most, as with one producer.
    """

    def __init__(self, one: TransactionalWriter, other: TransactionalWriter) -> None:
        self._next, self._last = one, other

    def transaction(self) -> AbstractContextManager[TransactionalWriter]:
        self._next, self._last = self._last, self._next
        return self._last.transaction()

    def close(self) -> None:
        self._next.close()
        self._last.close()
