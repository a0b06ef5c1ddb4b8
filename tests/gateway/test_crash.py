"""kill -9: what was answered 200 is in Kafka, whichever process dies."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Lock, Thread

import pytest

from ops.kafka.kraft import KraftBroker, free_port
from router.config.options import Address
from router.config.topics import topics_of
from router.kafka.cluster import Cluster
from router.process.health import Health
from tests.brokers.messages import DEADLINE, eventually
from tests.gateway.running import KEY, TRACK, Running, basic, body, make_topics, running, topology

CLIENTS = 6


class Load:
    """Clients that send single events without pause, and write down what was answered 200."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = Lock()
        self._stop = Event()
        self._threads = [Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]
        self.accepted: set[str] = set()
        self.refused = 0

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE)

    def grow(self, by: int) -> None:
        """Return when so many more events have been accepted."""
        goal = len(self.accepted) + by
        eventually(lambda: len(self.accepted) >= goal, f"{by} more accepted events")

    def _run(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            with closing(http.client.HTTPConnection(*self._address, timeout=DEADLINE)) as connection:
                try:
                    while not self._stop.is_set():
                        count += 1
                        self._send(connection, f"{number}-{count}")
                except (OSError, http.client.HTTPException):
                    time.sleep(0.05)  # no answer: the outcome is unknown

    def _send(self, connection: http.client.HTTPConnection, identity: str) -> None:
        event = json.dumps({**TRACK, "userId": identity, "messageId": identity})
        connection.request("POST", "/v1/track", event, {"Authorization": basic(KEY)})
        answer = connection.getresponse()
        answer.read()
        with self._lock:
            if answer.status == 200:
                self.accepted.add(identity)
            else:
                assert answer.status == 503
                self.refused += 1


@contextmanager
def process(folder: Path, name: str, bootstrap: str, address: Address) -> Iterator[subprocess.Popen[bytes]]:
    """`router gateway` as a process of its own."""
    file = folder / "topology.yaml"
    file.write_text(
        f"name: {name}\ntopics: {{prefix: '{name}.', partitions: 4}}\nsources:\n  web: {{write_keys: [{KEY}]}}\n"
    )
    command = [sys.executable, "-m", "router", "gateway", str(file), "--bootstrap", bootstrap]
    command += ["--gateway", "{}:{}".format(*address), "--metrics", "127.0.0.1:0"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ROUTER_")}
    child = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


@pytest.mark.chaos
def test_what_a_killed_gateway_answered_200_is_in_kafka(kafka: str, unique: str, tmp_path: Path) -> None:
    """Killed four times under load; what had no answer may be there or not, and nothing else is."""
    config = topology(unique)
    cluster, topics, address = Cluster(kafka), topics_of(config), ("127.0.0.1", free_port())
    make_topics(topics, cluster, None)
    with Load(address) as load:
        for _ in range(4):
            with process(tmp_path, unique, kafka, address) as child:
                load.grow(200)
                child.send_signal(signal.SIGKILL)
                assert child.wait(DEADLINE) == -signal.SIGKILL
        with process(tmp_path, unique, kafka, address) as child:
            load.grow(200)
            child.send_signal(signal.SIGTERM)
            assert child.wait(DEADLINE) == 0
    seen = Running(address, cluster, topics, Health(), Event())
    stored = [body(message)["messageId"] for message in seen.new(topics.raw)]
    assert load.accepted - set(stored) == set()
    assert len(load.accepted) >= 1000
    assert len(stored) == len(set(stored))


@pytest.mark.chaos
def test_what_was_answered_200_survives_a_killed_broker(kraft: KraftBroker, unique: str) -> None:
    """While it is away: 503, in seconds. Afterwards the gateway goes on by itself."""
    with running(unique, kraft.bootstrap, ack_timeout="3s") as gateway:
        with Load(gateway.address) as load:
            load.grow(200)
            kraft.kill()
            eventually(lambda: load.refused > CLIENTS, "refusals")
            eventually(lambda: not gateway.ready(), "a gateway that is not ready")
            kraft.start()
            load.grow(200)
        stored = {body(message)["messageId"] for message in gateway.new(gateway.topics.raw)}
    assert load.accepted - stored == set()
