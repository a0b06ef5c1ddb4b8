"""The identity log on a real Kafka: appended facts come back in order, and every replica ends up the same."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from router.errors import Unavailable
from router.events.topics import TopicSpec
from router.identity import Fact, Replica, alias, link, pack_facts, profile_id
from router.identity import log as log_module
from router.identity.log import LinkLog
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from tests.brokers.messages import DEADLINE, produce
from tests.identity.replicas import open_replica

USERS = 5


def fact(worker: int, number: int) -> Fact:
    """Workers meet the same devices with different users: the log's order decides."""
    return link((("user_id", f"u{(worker + number) % USERS}"), ("anonymous_id", f"a{number}")))


def record(one: Fact) -> bytes:
    (packed,) = pack_facts([one])
    return packed


class Log:
    """A topic for facts, and workers over it."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.cluster = Cluster(bootstrap)
        self.topic = topic
        Admin(self.cluster).create([TopicSpec(topic, 1, {"message.timestamp.type": "LogAppendTime"})])

    def join(self, replica: Replica) -> LinkLog:
        producer = clients.producer(self.cluster, linger_ms=0)
        return LinkLog(replica, self.topic, producer=producer, reader=clients.reader(self.cluster))

    def cut(self, before: int) -> None:
        """Lose the log's beginning, as retention would."""
        admin = AdminClient(clients.admin(self.cluster))
        for outcome in admin.delete_records([TopicPartition(self.topic, 0, before)]).values():
            outcome.result()


@pytest.fixture
def log(kafka: str, unique: str) -> Log:
    return Log(kafka, f"{unique}.links")


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    """Opens the replica of a worker; they are closed at the end."""
    opened: list[Replica] = []

    def make(name: str = "w") -> Replica:
        opened.append(open_replica(tmp_path / name))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def catch_up(one: LinkLog) -> None:
    end = time.monotonic() + DEADLINE
    while not one.caught_up:
        assert time.monotonic() < end, one.progress()
        one.follow(0.1)


def profiles(replica: Replica, devices: int) -> list[str]:
    return replica.resolve_many([(("anonymous_id", f"a{number}"),) for number in range(devices)])[0]


def test_an_append_returns_when_the_replica_has_applied_it(log: Log, replica: Callable[..., Replica]) -> None:
    mine = replica()
    one = log.join(mine)
    for number in range(20):
        one.append(record(fact(0, number)))
        assert mine.resolve_many([(("anonymous_id", f"a{number}"),)])[0] == [
            profile_id(("user_id", f"u{number % USERS}"))
        ]
    assert mine.position() == 20
    one.close()


def test_what_an_append_learns_is_what_the_log_tells_others(log: Log, replica: Callable[..., Replica]) -> None:
    """The broker's time too: it stands in profiles and merges."""
    mine, other = replica("mine"), replica("other")
    one = log.join(mine)
    for number in range(3):
        for user in range(2):
            one.append(record(link((("user_id", f"u{user}"), ("anonymous_id", f"a{number}")))))
            time.sleep(0.01)
    one.append(record(alias("u0", "u1")))
    assert one.follow(5) == 7, "its own records come back and change nothing"
    two = log.join(other)
    catch_up(two)

    assert mine.store.merges_from(0, 100) == other.store.merges_from(0, 100) != []
    for user in range(2):
        id_ = mine.store.profile_of(("user_id", f"u{user}"))
        assert id_ is not None
        assert mine.store.profile(id_) == other.store.profile(id_)
    one.close()
    two.close()


def test_facts_that_nobody_answered_for_in_time_come_by_the_log(
    log: Log, replica: Callable[..., Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = replica()
    one = log.join(mine)
    with monkeypatch.context() as patch:
        patch.setattr(log_module, "APPEND_SECONDS", 0.0)
        with pytest.raises(Unavailable, match="not taken: no answer"):
            one.append(record(fact(0, 0)))
    assert mine.position() == 0
    one.append(record(fact(0, 1)))
    assert mine.position() == 2
    assert profiles(mine, 2) == [profile_id(("user_id", f"u{number % USERS}")) for number in range(2)]
    one.close()


def test_workers_that_append_at_once_end_up_with_the_same_profiles(log: Log, replica: Callable[..., Replica]) -> None:
    stores = [replica(f"w{number}") for number in range(3)]
    workers = [log.join(store) for store in stores]
    failed: list[BaseException] = []

    def run(number: int) -> None:
        try:
            for step in range(30):
                workers[number].append(record(fact(number, step)))
        except BaseException as error:  # noqa: BLE001  told by the test
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for worker in workers:
        worker.look()
        catch_up(worker)
        worker.close()
    answers = [profiles(store, 30) for store in stores]
    assert answers[0] == answers[1] == answers[2]
    assert [store.position() for store in stores] == [90] * 3


def test_a_wiped_replica_is_rebuilt_from_the_log_alone(
    log: Log, replica: Callable[..., Replica], tmp_path: Path
) -> None:
    produce(log.cluster, log.topic, [record(fact(0, number)) for number in range(300)])
    before = replica()
    first = log.join(before)
    catch_up(first)
    expected = profiles(before, 300)
    first.close()
    before.close()
    shutil.rmtree(tmp_path / "w")
    after = replica()
    again = log.join(after)
    assert again.progress() == f"0 of 300 records of {log.topic} read"
    catch_up(again)
    assert profiles(after, 300) == expected
    again.close()


def test_a_replica_goes_on_where_it_stands(log: Log, replica: Callable[..., Replica]) -> None:
    produce(log.cluster, log.topic, [record(fact(0, number)) for number in range(10)])
    store = replica()
    first = log.join(store)
    catch_up(first)
    first.close()
    produce(log.cluster, log.topic, [record(fact(0, number)) for number in range(10, 15)])
    again = log.join(store)
    assert again.progress() == f"10 of 15 records of {log.topic} read"
    catch_up(again)
    assert profiles(store, 15)[14] == profile_id(("user_id", "u4"))
    again.close()


def test_a_replica_past_the_end_of_its_log_is_rebuilt(log: Log, replica: Callable[..., Replica]) -> None:
    """As when the cluster was put back to an older state: what was learnt from records that are gone must go too."""
    produce(log.cluster, log.topic, [record(fact(0, 0))])
    store = replica()
    store.apply_record(500, 1, record(link((("user_id", "gone"), ("anonymous_id", "a0")))))
    one = log.join(store)
    catch_up(one)
    assert (store.position(), profiles(store, 1)) == (1, [profile_id(("user_id", "u0"))])
    one.close()


@pytest.mark.parametrize("kept", [3, 0])
def test_a_log_that_lost_its_beginning_is_alarmed_and_read_from_what_is_left(
    log: Log, replica: Callable[..., Replica], kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when nothing is left: a worker that waits for records that never come would never be ready."""
    produce(log.cluster, log.topic, [record(fact(0, number)) for number in range(10)])
    log.cut(10 - kept)
    store = replica()
    one = log.join(store)
    catch_up(one)
    assert store.position() == 10
    assert f"stands at 0, the log spans {10 - kept} to 10" in caplog.text
    one.append(record(fact(0, 10)))
    assert store.position() == 11
    one.close()


def test_catching_up_has_a_deadline(log: Log, replica: Callable[..., Replica], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "CATCH_UP_SECONDS", 0.0)
    produce(log.cluster, log.topic, [record(fact(0, number)) for number in range(2000)])
    one = log.join(replica())
    with pytest.raises(Unavailable, match=r"takes too long: .* of 2000 records"):
        catch_up(one)
    one.close()


def test_garbage_in_the_log_stops_nobody(log: Log, replica: Callable[..., Replica]) -> None:
    produce(log.cluster, log.topic, [b"", b"hello", b"[1,[[1,[]]]]", record(fact(0, 0)), b"\xff" * 100])
    store = replica()
    one = log.join(store)
    catch_up(one)
    assert (store.position(), profiles(store, 1)) == (5, [profile_id(("user_id", "u0"))])
    one.close()
