"""What the gateway refuses to protect itself, and how it stops: slow clients, many clients, fast clients, no room."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from threading import Thread

import pytest

from router.embedded.broker import EmbeddedBroker
from router.kafka.admin import Admin
from tests.brokers.messages import DEADLINE, eventually
from tests.gateway.running import KEY, PARTITIONS, TRACK, Running, basic, reply, running

HEAD = f"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(KEY)}\r\n"
SENT = json.dumps(TRACK).encode()


@contextmanager
def talking(gateway: Running) -> Iterator[socket.socket]:
    with socket.create_connection(gateway.address, DEADLINE) as sock:
        yield sock


def rest(sock: socket.socket) -> bytes:
    """What still comes until the gateway closes the connection; a reset counts as closed."""
    found = b""
    try:
        while piece := sock.recv(65536):
            found += piece
    except ConnectionError:
        return found
    return found


def test_a_body_that_never_ends_is_given_up(embedded: EmbeddedBroker, unique: str) -> None:
    """A 408, which SDKs answer by sending again; the connection ends."""
    with running(unique, embedded, body_timeout="300ms") as gateway, talking(gateway) as sock:
        sock.sendall(f"{HEAD}Content-Length: {len(SENT)}\r\n\r\n".encode() + SENT[:-1])
        answer = rest(sock)
        assert b" 408 " in answer.splitlines()[0]
        assert b"body_timeout" in answer
        assert gateway.new(gateway.topics.raw) == []


def test_a_head_that_never_ends_is_given_up(embedded: EmbeddedBroker, unique: str) -> None:
    """Also when a byte comes now and then."""
    with running(unique, embedded, idle_timeout="500ms") as gateway, talking(gateway) as sock:
        sock.settimeout(0.1)
        deadline = time.monotonic() + DEADLINE
        ended = False
        for byte in HEAD.encode() * 1000:
            assert time.monotonic() < deadline
            try:
                sock.sendall(bytes((byte,)))
                ended = not sock.recv(1)
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True
            if ended:
                break
        assert ended


def test_connections_beyond_the_limit_are_closed_and_the_others_served(embedded: EmbeddedBroker, unique: str) -> None:
    with running(unique, embedded, max_connections=3) as gateway, ExitStack() as stack:
        held = [stack.enter_context(closing(gateway.connect())) for _ in range(3)]
        for connection in held:
            connection.connect()
        with talking(gateway) as sock:
            assert rest(sock) == b""
        for connection in held:
            connection.request("POST", "/v1/track", SENT, {"Authorization": basic(KEY)})
            assert reply(connection).status == 200
        held[0].close()
        eventually(lambda: _served(gateway), "room for another connection")


def _served(gateway: Running) -> bool:
    try:
        return gateway.post("/v1/track", TRACK).status == 200
    except ConnectionError:
        return False


def test_a_key_over_its_rate_waits_and_others_do_not(embedded: EmbeddedBroker, unique: str) -> None:
    """A batch may overdraw; the wait is told in Retry-After and in the header that browsers read."""
    batch = {"batch": [{**TRACK, "type": "track"}] * 60}
    with running(unique, embedded, events_per_second=1) as gateway:
        assert gateway.post("/v1/batch", batch).status == 200
        answer = gateway.post("/v1/track", TRACK)
        assert (answer.status, answer.body["error"]["code"]) == (429, "rate_limited")
        assert 30 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.headers["X-RateLimit-Reset"] == answer.headers["Retry-After"]
        assert gateway.post("/v1/track", TRACK, key="web-key-2").status == 200
        assert gateway.post("/v1/track", {**TRACK, "writeKey": KEY}, key=None).status == 429
        assert len(gateway.new(gateway.topics.raw)) == 61


def test_bad_events_count_for_the_rate_too(embedded: EmbeddedBroker, unique: str) -> None:
    """Else a public key could fill events.invalid without end."""
    with running(unique, embedded, events_per_second=1) as gateway:
        assert gateway.post("/v1/batch", {"batch": [5] * 60}).status == 400
        assert gateway.post("/v1/track", TRACK).status == 429


def test_a_batch_beyond_what_may_be_in_flight_is_refused_for_good(embedded: EmbeddedBroker, unique: str) -> None:
    """A 503 would be tried again for ever."""
    with running(unique, embedded, max_in_flight=10) as gateway:
        answer = gateway.post("/v1/batch", {"batch": [{**TRACK, "type": "track"}] * 11})
        assert (answer.status, answer.body["error"]["code"]) == (413, "too_many_events")
        assert len(gateway.new(gateway.topics.invalid)) == 1
        assert gateway.post("/v1/batch", {"batch": [{**TRACK, "type": "track"}] * 10}).status == 200


@pytest.mark.parametrize("proxies", [0, 1])
def test_the_address_behind_a_trusted_proxy_is_the_clients(embedded: EmbeddedBroker, unique: str, proxies: int) -> None:
    with running(unique, embedded, trusted_proxies=proxies) as gateway:
        gateway.post("/v1/track", TRACK, X_Forwarded_For="6.6.6.6, 203.0.113.9")
        (message,) = gateway.new(gateway.topics.raw)
        address = json.loads(message.value() or b"")["context"]["ip"]
    assert address == ("203.0.113.9" if proxies else "127.0.0.1")


def test_the_embedded_broker_is_never_filled_beyond_what_it_holds(unique: str) -> None:
    """Nobody reads here: 503 comes before the broker forgets the first event, and what was answered 200 is there."""
    padded = {**TRACK, "type": "track", "properties": {"pad": "x" * 8000}}
    accepted = 0
    with EmbeddedBroker() as broker:
        broker.start()
        with running(unique, broker, limited=True) as gateway:
            eventually(lambda: _probe(gateway), "the first look at the broker's room")
            accepted += 1
            for number in range(200):
                events = [{**padded, "userId": f"u{number}-{index}"} for index in range(50)]
                answer = gateway.post("/v1/batch", {"batch": events})
                if answer.status != 200:
                    break
                accepted += 50
            assert (answer.status, answer.body["error"]["code"]) == (503, "no_room")
            assert int(answer.headers["Retry-After"]) > 0
            partitions = [(gateway.topics.raw, number) for number in range(PARTITIONS)]
            assert {at.low for at in Admin(gateway.cluster).watermarks(partitions).values()} == {0}
            assert len(gateway.new(gateway.topics.raw)) == accepted


def _probe(gateway: Running) -> bool:
    return gateway.post("/v1/track", TRACK).status == 200


def test_stopping_answers_what_is_in_work_and_takes_nothing_new(embedded: EmbeddedBroker, unique: str) -> None:
    """A request whose body is still on its way when the stop comes is served, on a connection that then ends."""
    with running(unique, embedded, body_timeout="30s", ack_timeout="30s") as gateway, talking(gateway) as sock:
        sock.sendall(f"{HEAD}Content-Length: {len(SENT)}\r\n\r\n".encode() + SENT[:-1])
        time.sleep(0.2)  # until it is in work; if it is not, the answer below does not come
        gateway.stop.set()
        eventually(lambda: _refuses(gateway), "a closed listener")
        sock.sendall(SENT[-1:])
        answer = rest(sock)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"Connection: close" in answer
        assert len(gateway.new(gateway.topics.raw)) == 1


def _refuses(gateway: Running) -> bool:
    try:
        with talking(gateway):
            return False
    except ConnectionRefusedError:
        return True


def test_idle_connections_do_not_hold_up_a_stop(embedded: EmbeddedBroker, unique: str) -> None:
    with running(unique, embedded) as gateway, closing(gateway.connect()) as connection:
        connection.request("POST", "/v1/track", SENT, {"Authorization": basic(KEY)})
        assert reply(connection).status == 200
        stopper = Thread(target=gateway.stop.set)
        stopper.start()
        stopper.join()
        sock = connection.sock
        assert rest(sock) == b""
