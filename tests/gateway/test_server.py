"""The gateway over real HTTP, on the embedded broker: what is answered, and what is in Kafka then."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from router import metrics
from router.embedded.broker import EmbeddedBroker
from router.kafka.partitioner import partition_for
from tests.brokers.messages import DEADLINE
from tests.gateway.running import KEY, PARTITIONS, TRACK, Running, basic, body, named, reply, running


@pytest.fixture(scope="module")
def gateway(embedded: EmbeddedBroker) -> Iterator[Running]:
    with running("served", embedded, cors_origins=["https://shop.example"]) as found:
        yield found


def test_an_event_is_in_kafka_when_200_arrives(gateway: Running) -> None:
    """One message, keyed and partitioned as the Java clients do, with write key and receive time in the headers."""
    answer = gateway.post("/v1/track", {**TRACK, "anonymousId": "a1"})
    (message,) = gateway.new(gateway.topics.raw)
    assert (answer.status, answer.body) == (200, {"success": True, "accepted": 1, "rejected": []})
    assert message.key() == b"a1"
    assert message.partition() == partition_for(b"a1", PARTITIONS)
    assert named(message)["write-key"] == KEY
    assert named(message)["received-at"].isdigit()
    assert body(message).items() >= {**TRACK, "type": "track", "anonymousId": "a1"}.items()
    assert body(message)["context"]["ip"] == "127.0.0.1"
    assert len(body(message)["messageId"]) == 36


def test_a_batch_becomes_one_message_an_event(gateway: Running) -> None:
    events = [{**TRACK, "type": "track", "userId": f"u{number}"} for number in range(20)]
    answer = gateway.post("/v1/batch", {"batch": events, "context": {"app": {"name": "shop"}}}, zipped=True)
    messages = gateway.new(gateway.topics.raw)
    assert (answer.status, answer.body["accepted"]) == (200, 20)
    assert {message.key() for message in messages} == {f"u{number}".encode() for number in range(20)}
    assert {body(message)["context"]["app"]["name"] for message in messages} == {"shop"}


@pytest.mark.parametrize("key", ["web-key-1", "web-key-2"])
def test_both_keys_of_a_source_are_valid(gateway: Running, key: str) -> None:
    assert gateway.post("/v1/page", {"userId": "u1"}, key=key).status == 200
    assert [named(message)["write-key"] for message in gateway.new(gateway.topics.raw)] == [key]


def test_the_key_may_stand_in_the_body(gateway: Running) -> None:
    """As browsers send it: text/plain and no Authorization, so that no preflight is needed."""
    answer = gateway.post("/v1/t", {**TRACK, "writeKey": "app-key-1"}, key=None, Content_Type="text/plain")
    (message,) = gateway.new(gateway.topics.raw)
    assert answer.status == 200
    assert named(message)["write-key"] == "app-key-1"
    assert "writeKey" not in body(message)


NESTED = b'{"userId":"u1","event":"E","properties":' + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"}"
BAD: dict[str, tuple[bytes, int, str]] = {
    "malformed JSON": (b'{"userId": "u1", ', 400, "not_json"),
    "wrong type": (b'{"userId": "u1", "event": 5}', 400, "no_event"),
    "1,000 levels": (NESTED, 400, "too_deep"),
    "NaN": (b'{"userId": "u1", "event": "E", "properties": {"total": NaN}}', 400, "not_json"),
    "invalid UTF-8": (b'{"userId": "u1", "event": "\xff\xfe"}', 400, "not_utf8"),
    "no ids": (b'{"event": "E"}', 400, "no_id"),
    "messageId of 10,000": (json.dumps({**TRACK, "messageId": "m" * 10_000}).encode(), 400, "message_id_too_long"),
    "over 32 KiB": (json.dumps({**TRACK, "pad": "x" * 33_000}).encode(), 413, "too_large"),
    "no body": (b"", 400, "empty"),
}


@pytest.mark.parametrize(("sent", "status", "code"), BAD.values(), ids=BAD.keys())
def test_a_bad_event_gets_its_answer_and_lies_in_events_invalid(
    gateway: Running, sent: bytes, status: int, code: str
) -> None:
    answer = gateway.post("/v1/track", sent)
    assert (answer.status, answer.body["error"]["code"]) == (status, code)
    assert gateway.new(gateway.topics.raw) == []
    (message,) = gateway.new(gateway.topics.invalid)
    assert (message.value() or b"") == sent
    assert named(message).items() >= {"error-code": code, "error-stage": "gateway", "source": "web"}.items()


BAD_ITEMS = {name: bad for name, bad in BAD.items() if name != "no body"}


@pytest.mark.parametrize(("bad", "status", "code"), BAD_ITEMS.values(), ids=BAD_ITEMS.keys())
def test_a_bad_item_takes_no_neighbour_with_it(gateway: Running, bad: bytes, status: int, code: str) -> None:
    good = json.dumps({**TRACK, "type": "track"}).encode()
    item = bad.replace(b"{", b'{"type":"track",', 1)
    cut = code == "not_json" and not item.endswith(b"}")  # brackets do not match: it has to be the last one
    answer = gateway.post("/v1/batch", b'{"batch":[' + b",".join([good, item] if cut else [good, item, good]) + b"]}")
    assert answer.status == 200
    assert answer.body["accepted"] == len(gateway.new(gateway.topics.raw)) == (1 if cut else 2)
    assert [(found["item"], found["code"]) for found in answer.body["rejected"]] == [(1, code)]
    (message,) = gateway.new(gateway.topics.invalid)
    assert (message.value() or b"").startswith(item)
    assert status in (400, 413)


def test_a_timestamp_in_the_year_9999_is_accepted(gateway: Running) -> None:
    answer = gateway.post("/v1/track", {**TRACK, "timestamp": "9999-12-31T23:59:59.999Z"})
    (message,) = gateway.new(gateway.topics.raw)
    assert answer.status == 200
    assert body(message)["timestamp"] == "9999-12-31T23:59:59.999Z"


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("key", "status", "code"),
    [("nobody's", 401, "unknown_write_key"), (None, 401, "no_write_key"), ("gone-key-1", 404, "source_disabled")],
)
def test_without_a_valid_key_nothing_is_stored(
    gateway: Running, key: str | None, status: int, code: str, zipped: bool
) -> None:
    answer = gateway.post("/v1/track", TRACK, key=key, zipped=zipped)
    assert (answer.status, answer.body["error"]["code"]) == (status, code)
    assert gateway.new(gateway.topics.raw) == gateway.new(gateway.topics.invalid) == []


def test_a_browser_is_not_made_to_ask_for_a_password(gateway: Running) -> None:
    assert "WWW-Authenticate" in gateway.post("/v1/track", TRACK, key=None).headers
    assert "WWW-Authenticate" not in gateway.post("/v1/track", TRACK, key=None, Origin="https://shop.example").headers


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_and_its_beginning_kept(gateway: Running, chunked: bool) -> None:
    """Also when its length is not told in advance."""
    sent = json.dumps({**TRACK, "pad": "x" * 2_000_000}).encode()
    pieces = iter([sent[:700_000], sent[700_000:]])
    with closing(gateway.connect()) as connection:
        connection.request(
            "POST", "/v1/track", pieces if chunked else sent, {"Authorization": basic(KEY)}, encode_chunked=chunked
        )
        answer = reply(connection)
    assert (answer.status, answer.body["error"]["code"]) == (413, "body_too_large")
    (message,) = gateway.new(gateway.topics.invalid)
    assert message.value() == sent[: 64 * 1024]
    assert named(message)["error-code"] == "body_too_large"
    assert 512_000 < int(named(message)["length"]) <= len(sent)
    assert gateway.new(gateway.topics.raw) == []


def test_a_gzip_bomb_is_refused_and_kept_compressed(gateway: Running) -> None:
    bomb = gzip.compress(b'{"userId":"u1","event":"E","pad":"' + bytes(100_000_000) + b'"}')
    answer = gateway.post("/v1/track", bomb, Content_Encoding="gzip")
    assert (answer.status, answer.body["error"]["code"]) == (413, "inflated_too_large")
    (message,) = gateway.new(gateway.topics.invalid)
    assert message.value() == bomb


def test_a_damaged_gzip_body_is_refused_and_kept(gateway: Running) -> None:
    sent = gzip.compress(json.dumps(TRACK).encode())[:-3]
    answer = gateway.post("/v1/track", sent, Content_Encoding="gzip")
    assert (answer.status, answer.body["error"]["code"]) == (400, "bad_gzip")
    assert [message.value() for message in gateway.new(gateway.topics.invalid)] == [sent]


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_other_encodings_are_refused(gateway: Running, encoding: str) -> None:
    answer = gateway.post("/v1/track", b"x", Content_Encoding=encoding)
    assert (answer.status, answer.body["error"]["code"]) == (415, "unsupported_encoding")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("POST", "/v1/tracks", 404, "not_found"),
        ("POST", "/v2/track", 404, "not_found"),
        ("GET", "/v1/track", 405, "method_not_allowed"),
        ("PUT", "/v1/batch", 405, "method_not_allowed"),
    ],
)
def test_other_paths_and_methods_are_answered_in_the_same_form(
    gateway: Running, method: str, path: str, status: int, code: str
) -> None:
    with closing(gateway.connect()) as connection:
        connection.request(method, path)
        answer = reply(connection)
    assert (answer.status, answer.body["error"]["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "request_head",
    [
        b"NONSENSE<script>\r\n\r\n",
        b"POST /v1/track HTTP/1.1\r\nBad Header<script>\r\n\r\n",
        b"\x16\x03\x01\x02\x00<script>\r\n\r\n",
        b"GET /<script> HTTP/9.9\r\n\r\n",
    ],
    ids=["nonsense", "header", "TLS", "version"],
)
def test_what_is_no_http_is_not_repeated(gateway: Running, request_head: bytes) -> None:
    assert refused_head(gateway, request_head) == (400, "bad_request")


@pytest.mark.parametrize(
    "request_head",
    [
        b"POST /v1/track HTTP/1.1\r\nX: " + b"<script>" * 5000 + b"\r\n\r\n",
        b"GET /v1/pixel/track?data=" + b"script++" * 2500 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["header", "pixel"],
)
def test_a_head_that_is_too_large_is_named_as_such_and_counted(gateway: Running, request_head: bytes) -> None:
    def counted() -> tuple[float | None, ...]:
        value = metrics.REGISTRY.get_sample_value
        requests, events = {"endpoint": "other", "status": "431"}, {"source": "none", "outcome": "head_too_large"}
        return value("router_gateway_requests_total", requests), value("router_gateway_events_total", events)

    before = counted()
    assert refused_head(gateway, request_head) == (431, "head_too_large")
    assert counted() == tuple((count or 0) + 1 for count in before)


def refused_head(gateway: Running, request_head: bytes) -> tuple[int, str]:
    """Status and code of the answer, in which nothing of the request stands."""
    with socket.create_connection(gateway.address, DEADLINE) as sock:
        sock.sendall(request_head)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    assert b"script" not in answer
    code = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"]
    return int(answer.split()[1]), code


def test_pages_of_configured_origins_may_send(gateway: Running) -> None:
    with closing(gateway.connect()) as connection:
        connection.request("OPTIONS", "/v1/track", headers={"Origin": "https://shop.example"})
        preflight = connection.getresponse()
        preflight.read()
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    answer = gateway.post("/v1/track", TRACK, Origin="https://shop.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    refused = gateway.post("/v1/track", TRACK, key=None, Origin="https://shop.example")
    assert refused.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Access-Control-Allow-Origin" not in gateway.post("/v1/track", TRACK, Origin="https://evil.example").headers
    assert len(gateway.new(gateway.topics.raw)) == 2


def test_a_client_that_asks_first_is_told_to_go_on(gateway: Running) -> None:
    """`Expect: 100-continue`, as curl sends with large bodies."""
    sent = json.dumps(TRACK).encode()
    head = f"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(KEY)}\r\nExpect: 100-continue\r\n"
    with socket.create_connection(gateway.address, DEADLINE) as sock:
        sock.sendall(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(sent)
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert len(gateway.new(gateway.topics.raw)) == 1


def test_a_refused_event_does_not_end_the_connection(gateway: Running) -> None:
    with closing(gateway.connect()) as connection:
        for sent, status in ((b"{}", 400), (json.dumps(TRACK).encode(), 200)):
            connection.request("POST", "/v1/track", sent, {"Authorization": basic(KEY)})
            sock = connection.sock
            assert reply(connection).status == status
            assert connection.sock is sock
    gateway.new(gateway.topics.raw)
    gateway.new(gateway.topics.invalid)


def test_a_client_that_goes_away_costs_nothing(gateway: Running) -> None:
    for _ in range(20):
        with socket.create_connection(gateway.address, DEADLINE) as sock:
            sock.sendall(b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    assert gateway.post("/v1/track", TRACK).status == 200
    assert len(gateway.new(gateway.topics.raw)) == 1
