"""How a batch is made durable: the order of calls on the producer, and what becomes of each class of its errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from router.dedupe.window import Rows
from router.errors import Fenced, RouterError, Unavailable
from router.events.fans import Fan, FanHeaders
from router.events.records import Record
from router.kafka import transactions
from router.kafka.transactions import AlternatingWriters, CommitRefused, TransactionAborted, TransactionalWriter
from router.kafka.watchdog import Watchdog
from router.kafka.writer import Writer
from router.worker.checkpoint import AtLeastOnce, CommitBatch, ExactlyOnce, committing
from router.worker.commit_thread import CommitThread
from tests.dedupe.windows import MARK, key, rows_of

CHANGELOG = "shop.dedupe-changelog"
SHARED: list[Fan] = [(("dest.crm",), b"1", b"k", FanHeaders.alike([("source", b"web")]))]
RECORDS: list[Record] = [("dest.crm", b"2", b"k", None)]


def batch() -> CommitBatch:
    offsets = [TopicPartition("events.raw", 0, 7)]
    return CommitBatch(RECORDS, offsets, "group", SHARED, {0: b"rows", 3: b"rows"})


def publish(checkpoint: ExactlyOnce | AtLeastOnce) -> dict[int, int]:
    one = batch()
    checkpoint.publish(one)
    return one.landed


class Landed:
    """The report of a changelog record."""

    def __init__(self, partition: int) -> None:
        self._partition = partition

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return 40 + self._partition


class Producer:
    """Notes its calls; reports come with a flush or a commit. `errors` are raised by the call's name, one a call; None
    is for a call that does well.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.errors: dict[str, list[BaseException | None]] = {}
        self.failing: KafkaError | None = None  # of every report
        self.left = 0
        self._reports: list[tuple[int, Callable[[Any, Any], None]]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*_: Any) -> None:
            self._called(name)
            if name == "commit_transaction":
                self._report()

        return call

    def produce(self, topic: str, _: Any, __: Any, partition: int, on_delivery: Any, *___: Any) -> None:
        self._called(f"produce {topic}" + (" reported" if on_delivery else ""))
        if on_delivery:
            self._reports.append((partition, on_delivery))

    def flush(self, _: float) -> int:
        self._called("flush")
        self._report()
        return self.left

    def _report(self) -> None:
        reports, self._reports = self._reports, []
        for partition, report in reports:
            report(self.failing, Landed(partition))

    def _called(self, name: str) -> None:
        self.calls.append(name)
        errors = self.errors.get(name.partition(" ")[0])
        error = errors.pop(0) if errors else None
        if error is not None:
            raise error


def failure(code: int, *, fatal: bool = False, retriable: bool = False, abort: bool = False) -> KafkaException:
    return KafkaException(KafkaError(code, "said", fatal, retriable, abort))


@pytest.fixture
def producer() -> Producer:
    return Producer()


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    watchdog = Watchdog(1_000)
    yield watchdog
    watchdog.close()


def transactional(producer: Any, watchdog: Watchdog) -> ExactlyOnce:
    return ExactlyOnce(TransactionalWriter(producer, CHANGELOG, watchdog))


def at_least_once(producer: Any) -> AtLeastOnce:
    return AtLeastOnce(Writer(producer, CHANGELOG), None)


class Disk:
    """Local state that notes, beside the offsets, what it was told and when."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def write(self, rows: Rows, checkpoints: dict[int, int]) -> None:
        self.told.append((list(rows), checkpoints))

    def commit_offsets(self, offsets: list[TopicPartition]) -> None:
        self.told.append([(row.topic, row.partition, row.offset) for row in offsets])


def test_local_state_follows_the_commit_with_the_changelog_offset_it_reflects(
    producer: Any, watchdog: Watchdog
) -> None:
    disk, one = Disk(), batch()
    one.rows = rows_of([(key("a"), 5, MARK)])
    checkpoint = ExactlyOnce(TransactionalWriter(producer, CHANGELOG, watchdog), disk)

    checkpoint.publish(one)
    assert disk.told == []
    checkpoint.apply(one)

    assert disk.told == [([(key("a"), 5, MARK)], {0: 41, 3: 44})]


def test_at_least_once_offsets_follow_local_state(producer: Any) -> None:
    """The other way round, kill -9 in between would leave ids unknown whose events are not read again."""
    disk, one = Disk(), batch()
    checkpoint = AtLeastOnce(Writer(producer, CHANGELOG), disk.commit_offsets, disk)

    checkpoint.publish(one)
    assert disk.told == []
    checkpoint.apply(one)

    assert disk.told == [([], {0: 41, 3: 44}), [("events.raw", 0, 7)]]


def test_outputs_changelog_and_offsets_are_one_transaction(producer: Producer, watchdog: Watchdog) -> None:
    """Only changelog records carry a callback: where they landed is what the store must know."""
    landed = publish(transactional(producer, watchdog))

    changelog = f"produce {CHANGELOG} reported"
    assert producer.calls == [
        "init_transactions", "begin_transaction", "produce dest.crm", "produce dest.crm", changelog, changelog,
        "send_offsets_to_transaction", "commit_transaction",
    ]  # fmt: skip
    assert landed == {0: 41, 3: 44}


def test_at_least_once_the_changelog_waits_until_outputs_are_acknowledged(producer: Any) -> None:
    """A key in the changelog then implies that its output is durable."""
    landed = publish(at_least_once(producer))

    output, changelog = "produce dest.crm reported", f"produce {CHANGELOG} reported"
    assert producer.calls == [output, output, "flush", changelog, changelog, "flush"]
    assert landed == {0: 41, 3: 44}


@pytest.mark.parametrize("exactly_once", [True, False])
def test_a_batch_knows_only_of_its_own_changelog_records(
    producer: Any, watchdog: Watchdog, *, exactly_once: bool
) -> None:
    """A partition that went in between has moved on in another process."""
    checkpoint = transactional(producer, watchdog) if exactly_once else at_least_once(producer)
    publish(checkpoint)
    one = batch()
    one.changelog = {3: b"rows"}

    checkpoint.publish(one)

    assert one.landed == {3: 43 + 1}


def test_an_output_that_is_not_acknowledged_ends_it_before_the_changelog(producer: Any) -> None:
    producer.failing = KafkaError(KafkaError._MSG_TIMED_OUT)

    with pytest.raises(Unavailable):
        publish(at_least_once(producer))

    assert not any(CHANGELOG in call for call in producer.calls)


def test_a_flush_that_leaves_messages_behind_is_no_flush(producer: Any) -> None:
    producer.left = 2

    with pytest.raises(Unavailable, match="2 messages"):
        publish(at_least_once(producer))


@pytest.mark.parametrize("call", ["begin_transaction", "send_offsets_to_transaction", "commit_transaction"])
def test_a_retriable_error_is_tried_again_and_nothing_is_aborted(
    producer: Producer, watchdog: Watchdog, call: str
) -> None:
    producer.errors[call] = [failure(KafkaError._TIMED_OUT, retriable=True) for _ in range(3)]

    publish(transactional(producer, watchdog))

    assert producer.calls.count(call) == 4
    assert "abort_transaction" not in producer.calls


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("send_offsets_to_transaction", failure(KafkaError.ILLEGAL_GENERATION, abort=True)),
        ("commit_transaction", failure(KafkaError._TIMED_OUT, retriable=True, abort=True)),
        ("produce", failure(KafkaError._STATE)),
        ("commit_transaction", failure(KafkaError.UNKNOWN, abort=True)),
    ],
)
def test_what_fails_before_the_commit_is_aborted_and_done_again(
    producer: Producer, watchdog: Watchdog, call: str, error: KafkaException
) -> None:
    producer.errors[call] = [error]
    made = transactional(producer, watchdog)

    with pytest.raises(TransactionAborted, match=error.args[0].name()):
        publish(made)

    assert producer.calls[-1] == "abort_transaction"
    assert publish(made) == {0: 41, 3: 44}


@pytest.mark.parametrize("call", ["begin_transaction", "produce", "send_offsets_to_transaction", "commit_transaction"])
def test_a_fatal_error_is_not_aborted(producer: Producer, watchdog: Watchdog, call: str) -> None:
    producer.errors[call] = [failure(KafkaError._FENCED, fatal=True)]

    with pytest.raises(Fenced):
        publish(transactional(producer, watchdog))

    assert "abort_transaction" not in producer.calls


@pytest.mark.parametrize(
    ("second", "raised"),
    [(failure(KafkaError._FENCED, fatal=True), Fenced), (failure(KafkaError._STATE), Unavailable)],
    ids=["fenced", "wrong state"],
)
def test_a_producer_that_cannot_abort_is_of_no_further_use(
    producer: Producer, watchdog: Watchdog, second: KafkaException, raised: type[RouterError]
) -> None:
    producer.errors = {
        "commit_transaction": [failure(KafkaError.INVALID_TXN_STATE, abort=True)],
        "abort_transaction": [second],
    }

    with pytest.raises(raised):
        publish(transactional(producer, watchdog))


def test_a_transaction_that_never_finishes_is_given_up(
    producer: Producer, watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outcome is not known: the next process asks for committed offsets, which waits for it."""
    monkeypatch.setattr(transactions, "RETRY_SECONDS", 0.2)
    producer.errors["commit_transaction"] = [failure(KafkaError._TIMED_OUT, retriable=True) for _ in range(10_000)]

    with pytest.raises(Unavailable, match="does not finish"):
        publish(transactional(producer, watchdog))

    assert "abort_transaction" not in producer.calls


def test_who_may_not_make_transactions_is_told_so(producer: Producer, watchdog: Watchdog) -> None:
    producer.errors["init_transactions"] = [failure(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)]

    with pytest.raises(RouterError, match="TRANSACTIONAL_ID_AUTHORIZATION_FAILED") as caught:
        transactional(producer, watchdog)

    assert caught.value.status == 1


def test_each_call_is_watched(producer: Producer) -> None:
    """The client may never come back from one of them."""
    watched: list[str] = []

    class Noting(Watchdog):
        def watch(self, what: str) -> Any:
            watched.append(what)
            return super().watch(what)

    watchdog = Noting(1_000)
    producer.errors["commit_transaction"] = [failure(KafkaError.INVALID_TXN_STATE, abort=True)]
    made = transactional(producer, watchdog)

    with pytest.raises(TransactionAborted):
        publish(made)
    made.close()

    assert watched == [
        "init_transactions", "begin_transaction", "send_offsets_to_transaction", "commit_transaction",
        "abort_transaction",
    ]  # fmt: skip


def test_a_full_queue_is_waited_for(producer: Any, watchdog: Watchdog) -> None:
    """Every record is produced once, in order."""
    producer.errors["produce"] = [BufferError(), None, BufferError()]

    publish(transactional(producer, watchdog))

    produced = [call for call in producer.calls if call.startswith("produce dest")]
    assert len(produced) == 2 * 2  # each was refused once
    assert producer.calls.count("poll") == 2


def test_a_full_queue_is_waited_for_with_the_changelog_too(producer: Any, watchdog: Watchdog) -> None:
    producer.errors["produce"] = [None, None, BufferError(), None, BufferError()]

    assert publish(transactional(producer, watchdog)) == {0: 41, 3: 44}

    assert producer.calls.count("poll") == 2


def test_a_closed_producer_is_watched_no_more(producer: Any) -> None:
    before = set(threading.enumerate())
    writer = TransactionalWriter(producer, CHANGELOG)  # with a watchdog of its own
    assert len(set(threading.enumerate()) - before) == 1

    writer.close()

    assert set(threading.enumerate()) <= before


def test_a_producer_that_is_over_can_be_closed(producer: Producer, watchdog: Watchdog) -> None:
    """Closing must not hide why the worker ends."""
    producer.errors["close"] = [failure(KafkaError._FENCED, fatal=True)]

    transactional(producer, watchdog).close()


class Slow:
    """A checkpoint that is published when it is told to."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.done: list[CommitBatch] = []
        self.others = set(threading.enumerate())
        self.closed_beside: set[threading.Thread] = set()

    def publish(self, batch: CommitBatch) -> None:
        assert self.go_on.wait(300)
        self.done.append(batch)

    def apply(self, batch: CommitBatch) -> None:
        raise AssertionError("for the consuming thread")

    def close(self) -> None:
        self.closed_beside = set(threading.enumerate()) - self.others


def test_a_commit_runs_while_its_owner_goes_on() -> None:
    slow = Slow()
    commits = CommitThread(slow)
    first, second = batch(), batch()

    commits.start(first)

    assert not commits.finished(0)
    slow.go_on.set()
    assert commits.finished(30)
    assert commits.busy
    commits.finish()
    slow.go_on.clear()
    commits.start(second)  # and the next one may come
    assert not commits.finished(0)
    slow.go_on.set()
    commits.finish()
    commits.close()
    assert slow.done == [first, second]


def test_a_commit_is_waited_for_where_it_is_collected() -> None:
    class Late(Slow):
        def publish(self, batch: CommitBatch) -> None:
            time.sleep(0.1)
            self.done.append(batch)

    late, one = Late(), batch()
    commits = CommitThread(late)
    commits.start(one)
    commits.finish()

    assert late.done == [one]
    assert not commits.busy
    commits.close()


def test_a_commit_that_hangs_does_not_keep_the_process() -> None:
    """Its end is the same as kill -9's."""
    before = set(threading.enumerate())
    commits = CommitThread(Slow())

    (thread,) = set(threading.enumerate()) - before
    assert thread.daemon
    commits.close()


@pytest.mark.parametrize("exactly_once", [True, False])
def test_what_is_placed_is_a_part_of_the_batch_and_says_where_it_landed(
    producer: Any, watchdog: Watchdog, *, exactly_once: bool
) -> None:
    """The index of a retry lane needs the offsets of what was written to it."""
    checkpoint = transactional(producer, watchdog) if exactly_once else at_least_once(producer)
    one = batch()
    one.placed = [("dest.crm.retry", 4, b"a", b"k", []), ("dest.crm.retry", 2, b"b", b"k", [])]

    checkpoint.publish(one)

    assert one.places == [44, 42]
    before = producer.calls.index(f"produce {CHANGELOG} reported")
    assert producer.calls[:before].count("produce dest.crm.retry reported") == 2


def test_all_steps_in_one_call(producer: Any) -> None:
    disk = Disk()
    commit = committing(AtLeastOnce(Writer(producer, CHANGELOG), disk.commit_offsets, disk))

    commit(RECORDS, batch().offsets, "group")

    assert producer.calls[0] == "produce dest.crm reported"
    assert disk.told == [([], {}), [("events.raw", 0, 7)]]


def test_a_commit_thread_has_ended_before_its_producer_is_closed() -> None:
    slow = Slow()
    slow.closed_beside = {threading.current_thread()}

    CommitThread(slow).close()

    assert {thread.name for thread in slow.closed_beside} & {"commit", "MainThread"} == set()


def test_at_least_once_closes_its_producer_with_all_acknowledged(producer: Any) -> None:
    at_least_once(producer).close()
    assert producer.calls == ["flush", "close"]


def test_no_offsets_are_no_commit(producer: Any) -> None:
    """Another commits them, or there are none."""
    disk, one = Disk(), batch()
    AtLeastOnce(Writer(producer, CHANGELOG), None, disk).apply(one)
    one.offsets = []
    AtLeastOnce(Writer(producer, CHANGELOG), disk.commit_offsets, disk).apply(one)
    assert disk.told == [([], {}), ([], {})]


@pytest.mark.parametrize(
    ("code", "revoked", "rebalancing"),
    [("REBALANCE_IN_PROGRESS", False, True), ("ILLEGAL_GENERATION", True, False), ("UNKNOWN", False, False)],
)
def test_a_refused_commit_says_why(code: str, *, revoked: bool, rebalancing: bool) -> None:
    refused = CommitRefused(code)
    assert (refused.revoked, refused.rebalancing, str(refused)) == (revoked, rebalancing, code)


def test_what_a_commit_raises_is_raised_where_it_is_collected() -> None:
    class Failing(Slow):
        def publish(self, batch: CommitBatch) -> None:
            raise TransactionAborted("why")

    commits = CommitThread(Failing())
    commits.start(batch())

    with pytest.raises(TransactionAborted, match="why"):
        commits.finish()

    commits.start(batch())  # and the next one may come
    with pytest.raises(TransactionAborted, match="why"):
        commits.finish()
    commits.close()


def test_two_producers_take_turns_and_an_abort_ends_the_turn(watchdog: Watchdog) -> None:
    """Each begins when the transaction of the other is over."""
    one, other = Producer(), Producer()
    writers = [TransactionalWriter(cast("Any", made), CHANGELOG, watchdog) for made in (one, other)]
    checkpoint = ExactlyOnce(AlternatingWriters(*writers))
    other.errors["commit_transaction"] = [failure(KafkaError._TIMED_OUT, abort=True)]

    publish(checkpoint)
    with pytest.raises(TransactionAborted):
        publish(checkpoint)
    publish(checkpoint)

    assert [producer.calls.count("begin_transaction") for producer in (one, other)] == [2, 1]
    assert other.calls[-1] == "abort_transaction"
    checkpoint.close()
    assert one.calls[-1] == other.calls[-1] == "close"
