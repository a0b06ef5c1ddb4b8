"""How a batch is made durable: the order of calls on the producer, and what becomes of each class of its errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from router.errors import Fenced, RouterError, Unavailable
from router.events.records import Fan
from router.runtime import outputs
from router.runtime.committer import Committer
from router.runtime.outputs import ByTurns, OutputFirst, Redo, Transactional, Work
from router.runtime.watchdog import Watchdog

CHANGELOG = "shop.dedupe-changelog"
FANS: list[Fan] = [(("dest.crm",), b"1", b"k", [("source", b"web")])]
RECORDS = [("dest.crm", b"2", b"k", None)]


def work() -> Work:
    return Work(RECORDS, {0: b"rows", 3: b"rows"}, [TopicPartition("events.raw", 0, 7)], "group", FANS)


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


def transactional(producer: Any, watchdog: Watchdog) -> Transactional:
    return Transactional(producer, CHANGELOG, watchdog)


def test_outputs_changelog_and_offsets_are_one_transaction(producer: Producer, watchdog: Watchdog) -> None:
    """Only changelog records carry a callback: where they landed is what the store must know."""
    landed = transactional(producer, watchdog).commit(work())

    changelog = f"produce {CHANGELOG} reported"
    assert producer.calls == [
        "init_transactions", "begin_transaction", "produce dest.crm", "produce dest.crm", changelog, changelog,
        "send_offsets_to_transaction", "commit_transaction",
    ]  # fmt: skip
    assert landed == {0: 41, 3: 44}


def test_at_least_once_the_changelog_waits_until_outputs_are_acknowledged(producer: Any) -> None:
    """A key in the changelog then implies that its output is durable."""
    landed = OutputFirst(producer, CHANGELOG).commit(work())

    output, changelog = "produce dest.crm reported", f"produce {CHANGELOG} reported"
    assert producer.calls == [output, output, "flush", changelog, changelog, "flush"]
    assert landed == {0: 41, 3: 44}


def test_an_output_that_is_not_acknowledged_ends_it_before_the_changelog(producer: Any) -> None:
    producer.failing = KafkaError(KafkaError._MSG_TIMED_OUT)

    with pytest.raises(Unavailable):
        OutputFirst(producer, CHANGELOG).commit(work())

    assert not any(CHANGELOG in call for call in producer.calls)


def test_a_flush_that_leaves_messages_behind_is_no_flush(producer: Any) -> None:
    producer.left = 2

    with pytest.raises(Unavailable, match="2 messages"):
        OutputFirst(producer, CHANGELOG).commit(work())


@pytest.mark.parametrize("call", ["begin_transaction", "send_offsets_to_transaction", "commit_transaction"])
def test_a_retriable_error_is_tried_again_and_nothing_is_aborted(
    producer: Producer, watchdog: Watchdog, call: str
) -> None:
    producer.errors[call] = [failure(KafkaError._TIMED_OUT, retriable=True) for _ in range(3)]

    transactional(producer, watchdog).commit(work())

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

    with pytest.raises(Redo, match=error.args[0].name()):
        made.commit(work())

    assert producer.calls[-1] == "abort_transaction"
    assert made.commit(work()) == {0: 41, 3: 44}


@pytest.mark.parametrize("call", ["begin_transaction", "produce", "send_offsets_to_transaction", "commit_transaction"])
def test_a_fatal_error_is_not_aborted(producer: Producer, watchdog: Watchdog, call: str) -> None:
    producer.errors[call] = [failure(KafkaError._FENCED, fatal=True)]

    with pytest.raises(Fenced):
        transactional(producer, watchdog).commit(work())

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
        transactional(producer, watchdog).commit(work())


def test_a_transaction_that_never_finishes_is_given_up(
    producer: Producer, watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outcome is not known: the next process asks for committed offsets, which waits for it."""
    monkeypatch.setattr(outputs, "INSIST_SECONDS", 0.2)
    producer.errors["commit_transaction"] = [failure(KafkaError._TIMED_OUT, retriable=True) for _ in range(10_000)]

    with pytest.raises(Unavailable, match="does not finish"):
        transactional(producer, watchdog).commit(work())

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

    with pytest.raises(Redo):
        made.commit(work())
    made.close()

    assert watched == [
        "init_transactions", "begin_transaction", "send_offsets_to_transaction", "commit_transaction",
        "abort_transaction",
    ]  # fmt: skip


def test_a_full_queue_is_waited_for(producer: Any, watchdog: Watchdog) -> None:
    """Every record is produced once, in order."""
    producer.errors["produce"] = [BufferError(), None, BufferError()]

    transactional(producer, watchdog).commit(work())

    produced = [call for call in producer.calls if call.startswith("produce dest")]
    assert len(produced) == 2 * 2  # each was refused once
    assert producer.calls.count("poll") == 2


def test_a_full_queue_is_waited_for_with_the_changelog_too(producer: Any, watchdog: Watchdog) -> None:
    producer.errors["produce"] = [None, None, BufferError(), None, BufferError()]

    assert transactional(producer, watchdog).commit(work()) == {0: 41, 3: 44}

    assert producer.calls.count("poll") == 2


def test_a_producer_that_is_over_can_be_closed(producer: Producer, watchdog: Watchdog) -> None:
    """Closing must not hide why the worker ends."""
    producer.errors["close"] = [failure(KafkaError._FENCED, fatal=True)]

    transactional(producer, watchdog).close()


class Slow:
    """Outputs that end when they are told to."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.done: list[Work] = []

    def commit(self, work: Work) -> dict[int, int]:
        assert self.go_on.wait(30)
        self.done.append(work)
        return {1: 2}

    def close(self) -> None:
        return None


def test_a_commit_runs_while_its_owner_goes_on() -> None:
    slow = Slow()
    committer = Committer(slow)

    committer.hand_over(work())

    assert not committer.finished(0)
    slow.go_on.set()
    assert committer.finished(30)
    assert committer.busy
    assert committer.collect() == {1: 2}
    committer.hand_over(work())  # and the next one may come
    assert committer.collect() == {1: 2}
    committer.close()


def test_what_a_commit_raises_is_raised_where_it_is_collected() -> None:
    class Failing(Slow):
        def commit(self, work: Work) -> dict[int, int]:
            raise Redo("why")

    committer = Committer(Failing())
    committer.hand_over(work())

    with pytest.raises(Redo, match="why"):
        committer.collect()

    committer.hand_over(work())  # and the next one may come
    with pytest.raises(Redo, match="why"):
        committer.collect()
    committer.close()


def test_two_producers_take_turns_and_an_abort_ends_the_turn(watchdog: Watchdog) -> None:
    """Each begins when the transaction of the other is over."""
    one, other = Producer(), Producer()
    outputs = ByTurns(transactional(one, watchdog), transactional(other, watchdog))
    other.errors["commit_transaction"] = [failure(KafkaError._TIMED_OUT, abort=True)]

    outputs.commit(work())
    with pytest.raises(Redo):
        outputs.commit(work())
    outputs.commit(work())

    assert [producer.calls.count("begin_transaction") for producer in (one, other)] == [2, 1]
    assert other.calls[-1] == "abort_transaction"
    outputs.close()
    assert one.calls[-1] == other.calls[-1] == "close"
