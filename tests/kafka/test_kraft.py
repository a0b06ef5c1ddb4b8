from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from confluent_kafka import KafkaError, Message, Producer

from ops.kafka import kraft as jars
from ops.kafka.kraft import KraftBroker, KraftError, cluster_id
from router.errors import Unavailable
from router.events.topics import TopicSpec
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.ready import wait_ready
from tests.brokers.messages import DEADLINE, eventually, produce, read_all

pytestmark = pytest.mark.kafka


def test_what_was_acknowledged_survives_kill_9_of_the_broker(kraft: KraftBroker, unique: str) -> None:
    cluster = Cluster(kraft.bootstrap)
    Admin(cluster).create([TopicSpec(unique, 1)])
    values = [str(number).encode() for number in range(5_000)]
    produce(cluster, unique, values)
    before, pid = Admin(cluster).cluster_id(), kraft.pid

    kraft.kill()
    with pytest.raises(Unavailable):
        Admin(cluster, timeout=0.5).topics()
    bootstrap = kraft.start()

    assert bootstrap == cluster.bootstrap
    assert kraft.pid != pid
    assert Admin(cluster).cluster_id() == before
    assert read_all(cluster, unique) == values


def test_a_producer_outlives_kill_9_of_the_broker_without_loss_or_repeat(kraft: KraftBroker, unique: str) -> None:
    cluster = Cluster(kraft.bootstrap, {"delivery.timeout.ms": "120000"})
    Admin(cluster).create([TopicSpec(unique, 1)])
    producer = Producer(clients.producer(cluster))
    answers: dict[bytes, KafkaError | None] = {}

    def note(error: KafkaError | None, message: Message[bytes, bytes]) -> None:
        answers[message.value() or b""] = error

    values = [str(number).encode() for number in range(3_000)]
    for number, value in enumerate(values):
        producer.produce(unique, value, on_delivery=note)
        producer.poll(0)
        if number == 1_000:
            kraft.kill()
    kraft.start()

    assert producer.flush(2 * DEADLINE) == 0
    assert set(answers.values()) == {None}
    assert read_all(cluster, unique) == values


def test_a_killed_producers_transaction_stops_holding_readers_back(kraft: KraftBroker, unique: str) -> None:
    cluster = Cluster(kraft.bootstrap)
    Admin(cluster).create([TopicSpec(unique, 1)])
    script = f"""
from confluent_kafka import Producer
from router.kafka import clients
from router.kafka.cluster import Cluster
producer = Producer(clients.transactional(Cluster({kraft.bootstrap!r}), {unique!r}, timeout_ms=2000))
producer.init_transactions(60)
producer.begin_transaction()
producer.produce({unique!r}, b"never committed")
producer.flush(60)
print("open", flush=True)
input()
"""
    worker = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "open\n"
        worker.kill()
    produce(cluster, unique, [b"after it"])

    eventually(lambda: read_all(cluster, unique) == [b"after it"], "the end of the orphaned transaction")


def test_a_stopped_broker_returns_with_its_data(kraft: KraftBroker, unique: str) -> None:
    cluster = Cluster(kraft.bootstrap)
    Admin(cluster).create([TopicSpec(unique, 1)])
    produce(cluster, unique, [b"x"])

    kraft.restart()

    assert read_all(cluster, unique) == [b"x"]


def test_a_running_broker_is_not_started_twice(kraft: KraftBroker) -> None:
    with pytest.raises(KraftError, match="runs already"):
        kraft.start()


def test_a_broker_that_cannot_start_shows_its_log(kraft: KraftBroker, tmp_path: Path) -> None:
    taken = kraft.bootstrap
    broker = KraftBroker(tmp_path / "data", properties={"listeners": f"PLAINTEXT://{taken},CONTROLLER://{taken}"})

    with pytest.raises(KraftError, match=r"(?s)format ended|the broker ended.*(Exception|ERROR|in use)"):
        broker.start()
    assert not broker.alive


def test_extra_properties_reach_the_broker_and_a_kept_folder_its_next_life(tmp_path: Path) -> None:
    if reason := jars.missing():
        pytest.skip(reason)
    folder = tmp_path / "data"
    with KraftBroker(folder, properties={"log.retention.ms": "12345"}) as broker:
        cluster = Cluster(broker.bootstrap)
        Admin(cluster).create([TopicSpec("t", 1)])
        assert Admin(cluster).differences([TopicSpec("t", 1, {"retention.ms": "12345"})]) == []
        first = wait_ready(cluster, DEADLINE)
    assert not broker.alive

    with KraftBroker(folder) as again:
        assert again.bootstrap == cluster.bootstrap
        assert wait_ready(cluster, DEADLINE) == first
        assert "t" in Admin(cluster).topics()


def test_run_by_hand_it_prints_its_address_and_ends_with_its_terminal() -> None:
    if reason := jars.missing():
        pytest.skip(reason)
    command = [sys.executable, str(Path(jars.__file__))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        bootstrap = script.stdout.readline().strip()
        brokers = psutil.Process(script.pid).children()
        wait_ready(Cluster(bootstrap), DEADLINE)

        script.terminate()
        assert script.wait(DEADLINE) == 0

    _, alive = psutil.wait_procs(brokers, DEADLINE)
    assert len(brokers) == 1
    assert alive == []


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="util-linux's setpriv is missing")
def test_a_broker_dies_with_the_process_that_started_it() -> None:
    if reason := jars.missing():
        pytest.skip(reason)
    command = [sys.executable, str(Path(jars.__file__))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        script.stdout.readline()
        brokers = psutil.Process(script.pid).children()
        data = Path(next(word for word in brokers[0].cmdline() if word.endswith("server.properties"))).parent
        script.kill()

    _, alive = psutil.wait_procs(brokers, DEADLINE)
    subprocess.run(["rm", "-rf", str(data)], check=True)
    assert alive == []


def test_a_new_cluster_has_a_new_id_of_22_characters() -> None:
    ids = {cluster_id() for _ in range(500)}

    assert len(ids) == 500
    assert {len(text) for text in ids} == {22}
    assert not any(text.startswith("-") for text in ids)


def test_fetching_the_jars_again_names_the_same_folder() -> None:
    if reason := jars.missing():
        pytest.skip(reason)
    folder = jars.jars()

    assert jars.jars() == folder
    assert any(folder.glob("kafka_*.jar"))


def test_a_missing_java_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert jars.missing() == "java is not installed"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("""echo 'openjdk version "1.8.0_402"' >&2""", "java is version 8, older than 17"),
        ("""echo 'openjdk version "11.0.22" 2024-01-16' >&2""", "java is version 11, older than 17"),
        ("""echo 'Unable to locate a Java Runtime.' >&2; exit 1""", "{} does not run"),
    ],
)
def test_a_java_that_cannot_run_kafka_is_a_reason_to_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert jars.missing() == reason.format(java)
