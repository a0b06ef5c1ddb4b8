"""Waiting for a cluster: reasons, a stop, and a name server that does not answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from threading import Event, Timer
from threading import enumerate as threads

import pytest

from router.errors import Stopped, Unavailable
from router.kafka.cluster import Cluster
from router.kafka.ready import unreachable, wait_ready

DEADLINE = 600.0


@pytest.fixture
def silent_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A name server that does not answer before the test has ended."""
    over = Event()

    def never(*_: object) -> None:
        over.wait(DEADLINE)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    before = set(threads())
    monkeypatch.setattr(socket, "getaddrinfo", never)
    yield
    over.set()
    for thread in set(threads()) - before:
        thread.join(DEADLINE)


@pytest.mark.usefixtures("silent_names")
def test_a_name_server_that_does_not_answer_is_not_waited_for() -> None:
    with pytest.raises(Unavailable, match=r"^no broker answers: one\.test:9092: no answer in 0\.4 s; two\.test:1: no"):
        wait_ready(Cluster("one.test:9092,two.test:1"), 0.1)


@pytest.mark.usefixtures("silent_names")
def test_a_stop_ends_the_wait_for_a_name() -> None:
    stop = Event()
    Timer(0.3, stop.set).start()

    with pytest.raises(Stopped, match=r"stopped while waiting for one\.test:9092"):
        wait_ready(Cluster("one.test:9092"), DEADLINE, stop)


@pytest.mark.parametrize(
    ("bootstrap", "why"),
    [
        ("127.0.0.1:1", "127.0.0.1:1: Connection refused"),
        (" SSL://127.0.0.1:1 , [::1]:x", "SSL://127.0.0.1:1: Connection refused; [::1]:x: invalid literal for int()"),
        ("127.0.0.1:" + 30 * "9", "127.0.0.1:" + 30 * "9" + ": "),
        ("..:9092", "..:9092: "),
    ],
)
def test_every_broker_has_its_reason(bootstrap: str, why: str) -> None:
    assert unreachable(bootstrap).startswith(why)


@pytest.mark.parametrize("known", ["{}:{}", "PLAINTEXT://{}:{}", "127.0.0.1:1,{}:{}"])
def test_one_that_accepts_is_enough(known: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        assert unreachable(known.format(*server.getsockname())) == ""


@pytest.mark.parametrize(
    ("broker", "asked"), [("kafka", ("kafka", 9092)), ("[::1]", ("::1", 9092)), ("[::1]:7", ("::1", 7))]
)
def test_a_broker_without_a_port_is_asked_at_the_usual_one(
    broker: str, asked: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], _: float) -> socket.socket:
        seen.append(address)
        return socket.socket()

    monkeypatch.setattr(socket, "create_connection", connect)

    assert unreachable(broker) == ""
    assert seen == [asked]
