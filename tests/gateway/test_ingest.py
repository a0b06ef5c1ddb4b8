"""Bodies to messages: what is an event is produced, what is none is kept, and neither costs the other."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.models import SourceConfig, Topology
from router.events.event import CALL_TYPES, Event, Limits
from router.events.parser import Repairs
from router.events.reader import split
from router.events.records import Headers
from router.events.topics import Topics
from router.gateway.address import Client
from router.gateway.answers import Fault
from router.gateway.bodies import single
from router.gateway.credentials import WriteKeys
from router.gateway.endpoint import Endpoint
from router.gateway.endpoints import ENDPOINTS
from router.gateway.ingest import Ingest, IngestResult
from router.gateway.renew import ingest_of
from tests.agents.messages import decode

RAW, INVALID = "events.raw", "events.invalid"
NOW = 1_767_225_600.5
AT = "2026-01-01T00:00:00.500Z"
IP = "203.0.113.9"
TRACK = {"userId": "u1", "event": "Order Completed", "messageId": "m1", "properties": {"total": 9.5}}
SOURCES = {
    "web": SourceConfig(write_keys=("web-key",)),
    "app": SourceConfig(write_keys=("app-key",)),
    "gone": SourceConfig(write_keys=("gone-key",), enabled=False),
    "test": SourceConfig(write_keys=("test-key",), labels={"environment": "staging"}),
}


BY_PATH: dict[str, Endpoint] = {path: endpoint for endpoint in ENDPOINTS for path in endpoint.paths}
POSTED = [path for path, one in BY_PATH.items() if "POST" in one.methods and not one.signed]


def ingest(limits: Limits | None = None, max_events: int = 1000) -> Ingest:
    return Ingest(
        WriteKeys(SOURCES, "prod"),
        limits or Limits(),
        raw=RAW,
        invalid=INVALID,
        max_events=max_events,
        clock=lambda: NOW,
        new_id=lambda: "new-id",
    )


def take(body: Any, path: str = "/v1/track", key: str | None = "web-key", at: Ingest | None = None) -> IngestResult:
    """`key` stands in the header; None leaves it to the body."""
    at = at or ingest()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    items = BY_PATH[path].decode(data, "", at.limits)
    return at.take(items, data, BY_PATH[path].type, at.keys.find(key) if key else None, Client(IP))


def value(taken: IngestResult, index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(taken.events[index][1])
    return found


def reasons(taken: IngestResult) -> list[str]:
    return [fault.code for fault in taken.rejected]


def kept(taken: IngestResult) -> list[tuple[bytes, str]]:
    """Bytes and reason of what was kept; all of it goes to the invalid topic."""
    assert {topic for topic, *_ in taken.invalid} <= {INVALID}
    return [(raw, named(headers)["error-code"]) for _, raw, _, headers in taken.invalid]


def named(headers: Headers | None) -> dict[str, str]:
    return {name: content.decode() for name, content in headers or () if isinstance(content, bytes)}


@pytest.mark.parametrize("path", POSTED)
def test_every_path_takes_its_call(path: str) -> None:
    """The path gives the type; a batch item brings its own."""
    body = {"userId": "u1", "event": "E", "groupId": "g1", "previousId": "a1"}
    kind = BY_PATH[path].type
    taken = take(body if kind else {"batch": [{**body, "type": "track"}]}, path)
    assert taken.rejected == []
    assert value(taken)["type"] == (kind or "track")


def test_all_calls_have_a_long_and_a_short_path() -> None:
    assert {BY_PATH[path].type for path in POSTED} == {*CALL_TYPES, ""}
    assert len(POSTED) == 2 * len(CALL_TYPES) + 3


def test_an_event_becomes_a_message_keyed_by_device_with_key_and_receive_time() -> None:
    taken = take({**TRACK, "anonymousId": "a1", "writeKey": "ignored"})
    ((topic, _, key, headers),) = taken.events
    assert (topic, key) == (RAW, b"a1")
    assert headers == [("write-key", b"web-key"), ("received-at", b"1767225600500")]
    assert value(taken) == {**TRACK, "anonymousId": "a1", "type": "track", "receivedAt": AT, "context": {"ip": IP}}
    assert taken.sources == {"web": 1}


def test_without_an_anonymous_id_the_user_id_is_the_key() -> None:
    assert take(TRACK).events[0][2] == b"u1"


def test_a_missing_message_id_is_made_and_a_given_one_stays() -> None:
    assert value(take({"userId": "u1", "event": "E"}))["messageId"] == "new-id"
    assert value(take(TRACK))["messageId"] == "m1"


def test_a_given_address_stays_and_a_clients_receive_time_does_not() -> None:
    found = value(take({**TRACK, "receivedAt": "1999-01-01T00:00:00Z", "context": {"ip": "192.0.2.1"}}))
    assert (found["receivedAt"], found["context"]["ip"]) == (AT, "192.0.2.1")


BROWSER = "Mozilla/5.0"


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, {"ip": IP, "userAgent": BROWSER}),
        ({"userAgent": "own"}, {"ip": IP, "userAgent": "own"}),
        ({"ip": None, "userAgent": None}, {"ip": None, "userAgent": None}),
        ({"library": {"name": "analytics-python"}}, {"library": {"name": "analytics-python"}}),
    ],
)
def test_the_clients_address_and_browser_fill_what_the_library_left_out(context: Any, expected: Any) -> None:
    """Not for a call of the customer's own server, which is no user's device."""
    at = ingest()
    data = json.dumps({**TRACK, "context": context}).encode()
    taken = at.take(single(data), data, "track", at.keys.find("web-key"), Client(IP, BROWSER))
    assert value(taken)["context"] == expected


def test_batch_fields_merge_into_the_items_and_the_items_win() -> None:
    body = {
        "batch": [{**TRACK, "type": "track", "context": {"locale": "de"}}, {**TRACK, "type": "track", "sentAt": "own"}],
        "context": {"locale": "en", "library": {"name": "analytics-python"}},
        "integrations": {"All": False},
        "sentAt": "2026-01-01T00:00:00Z",
    }
    first, second = (value(take(body, "/v1/batch"), index) for index in (0, 1))
    assert first["context"] == {"locale": "de", "library": {"name": "analytics-python"}}
    assert second["context"]["locale"] == "en"
    assert (first["sentAt"], second["sentAt"]) == ("2026-01-01T00:00:00Z", "own")
    assert first["integrations"] == {"All": False}


def test_keys_stand_in_the_header_in_the_batch_or_in_the_item() -> None:
    """The header decides alone; without it the item's own key wins over the batch's."""
    event = {**TRACK, "type": "track"}
    body = {"batch": [event, {**event, "writeKey": "app-key"}], "writeKey": "web-key"}
    assert take(body, "/v1/batch", None).sources == {"web": 1, "app": 1}
    assert take(body, "/v1/batch", "web-key").sources == {"web": 2}
    assert take({**TRACK, "writeKey": "app-key"}, key=None).sources == {"app": 1}
    assert b"app-key" not in take({**TRACK, "writeKey": "app-key"}, key=None).events[0][1]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "no_write_key"),
        (7, "no_write_key"),
        ("", "no_write_key"),
        ("x", "unknown_write_key"),
        ("gone-key", "source_disabled"),
        ("test-key", "other_environment"),
    ],
)
def test_without_a_valid_key_nothing_is_taken_and_nothing_kept(key: Any, code: str) -> None:
    for body, path in (
        ({**TRACK, "writeKey": key}, "/v1/track"),
        ({"batch": [{**TRACK, "type": "track"}, 5], "writeKey": key}, "/v1/batch"),
    ):
        taken = take(body, path, None)
        assert (taken.events, taken.invalid) == ([], [])
        assert set(reasons(taken)) == {code}


def test_an_item_with_a_bad_key_does_not_cost_its_neighbours() -> None:
    event = {**TRACK, "type": "track"}
    taken = take({"batch": [{**event, "writeKey": "x"}, {**event, "writeKey": "web-key"}, event]}, "/v1/batch", None)
    assert taken.sources == {"web": 1}
    assert taken.rejected == [Fault("unknown_write_key", 0), Fault("no_write_key", 2)]


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


LONG_ID = b'{"userId": "u1", "event": "E", "messageId": "%s"}' % (b"m" * 10_000)
MANY_KEYS = json.dumps({**TRACK, "properties": {f"k{n}": n for n in range(2001)}}).encode()


BAD: dict[str, tuple[bytes, str]] = {
    "malformed": (b'{"userId": "u1", "event": ', "not_json"),
    "empty": (b"", "empty"),
    "NaN": (b'{"userId": "u1", "event": "E", "properties": {"total": NaN}}', "not_json"),
    "infinity": (b'{"userId": "u1", "event": "E", "properties": {"total": 1e999}}', "number_out_of_range"),
    "invalid UTF-8": (b'{"userId": "u1", "event": "\xc3\x28"}', "not_utf8"),
    "a list": (b"[5]", "not_object"),
    "a number": (b"5", "not_object"),
    "no ids": (b'{"event": "E"}', "no_id"),
    "empty ids": (b'{"event": "E", "userId": "", "anonymousId": null}', "no_id"),
    "id of a wrong type": (b'{"event": "E", "userId": {"$gt": ""}}', "bad_id"),
    "no event": (b'{"userId": "u1"}', "no_event"),
    "event of a wrong type": (b'{"userId": "u1", "event": 5}', "no_event"),
    "properties of a wrong type": (b'{"userId": "u1", "event": "E", "properties": "x"}', "not_an_object"),
    "context of a wrong type": (b'{"userId": "u1", "event": "E", "context": [1]}', "not_an_object"),
    "messageId of 10,000": (LONG_ID, "message_id_too_long"),
    "another type": (b'{"userId": "u1", "event": "E", "type": "page"}', "type_mismatch"),
    "too large": (b'{"userId": "u1", "event": "E", "pad": "%s"}' % (b"x" * 33_000), "too_large"),
    "33 levels": (b'{"userId": "u1", "event": "E", "properties": %s}' % nested(32), "too_deep"),
    "300 levels": (b'{"userId": "u1", "event": "E", "properties": %s}' % nested(300), "too_deep"),
    "1,000 levels": (b'{"userId": "u1", "event": "E", "properties": %s}' % nested(1000), "too_deep"),
    "40,000 levels": (b'{"userId": "u1", "event": "E", "properties": %s}' % nested(40_000), "too_deep"),
    "2,001 keys": (MANY_KEYS, "too_many_keys"),
}


@pytest.mark.parametrize(("body", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_event_is_refused_with_its_reason_and_kept_as_it_came(body: bytes, reason: str) -> None:
    taken = take(body)
    assert taken.events == []
    assert taken.rejected == [Fault(reason)]
    assert kept(taken) == [(body, reason)]
    assert taken.refusals == {("web", reason): 1}


NO_ITEM = ("malformed", "empty", "another type", "a list", "a number")
ITEMS = {name: bad for name, bad in BAD.items() if name not in NO_ITEM}


@pytest.mark.parametrize(("body", "reason"), ITEMS.values(), ids=ITEMS.keys())
def test_a_bad_item_takes_no_neighbour_with_it(body: bytes, reason: str) -> None:
    """Its own bytes are kept, not the batch's."""
    bad = body.replace(b"{", b'{"type": "track", ', 1)
    good = json.dumps({**TRACK, "type": "track"}).encode()
    taken = take(b'{"batch": [' + b" , ".join((good, bad, good)) + b'], "sentAt": "now"}', "/v1/batch")
    assert [value(taken, index)["sentAt"] for index in range(len(taken.events))] == ["now", "now"]
    assert taken.rejected == [Fault(reason, 1)]
    assert kept(taken) == [(bad, reason)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "not_object"),
        (b"{}", "batch_not_list"),
        (b'{"batch": {}}', "batch_not_list"),
        (b'{"batch": []}', "empty"),
        (b'{"batch": [{"type": "track"}', "no_id"),
        (b'{"batch": ', "not_json"),
        (b"\xff", "not_utf8"),
        (json.dumps({"batch": [1] * 11}).encode(), "too_many_events"),
    ],
)
def test_a_batch_that_is_none_is_kept_whole(body: bytes, reason: str) -> None:
    taken = take(body, "/v1/batch", at=ingest(max_events=10))
    assert taken.events == []
    assert reasons(taken)[0] == reason
    assert b"".join(raw for raw, _ in kept(taken)) in body


@pytest.mark.parametrize("when", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "not a time", 5, None, {"a": 1}])
def test_no_timestamp_is_refused_by_the_gateway(when: Any) -> None:
    """Times are corrected, or replaced, where events are normalised."""
    assert value(take({**TRACK, "timestamp": when}))["timestamp"] == when


def test_a_body_refused_unread_is_kept_by_its_beginning_with_its_length() -> None:
    topic, raw, _, headers = ingest().keep(b"x" * 100_000, "body_too_large", "web", 5_000_000)
    assert (topic, len(raw)) == (INVALID, 64 * 1024)
    assert named(headers)["length"] == "5000000"
    assert named(headers)["source"] == "web"


def routed(taken: IngestResult) -> list[Event]:
    """What a route worker makes of the produced messages; nothing that was accepted may be refused there."""
    agent = decode(
        Topics("shop"), "web", "app", source_of_key={"web-key": "web", "app-key": "app"}, default_source=None
    )
    items = [item for record in taken.events for item in agent.items(_Message(record), 0, Repairs())]
    events = [item for item in items if isinstance(item, Event)]
    assert events == items
    return events


class _Message:
    """A produced record as a consumer sees it."""

    def __init__(self, record: Any) -> None:
        self._record = record

    def value(self) -> Any:
        return self._record[1]

    def key(self) -> Any:
        return self._record[2]

    def headers(self) -> Any:
        return self._record[3]

    def timestamp(self) -> tuple[int, int]:
        return 1, 0

    def topic(self) -> str:
        return RAW

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    "batch",
    "receivedAt",
    "type",
    "userId",
    "anonymousId",
    "event",
    "messageId",
    "writeKey",
    "context",
    "integrations",
)
FIELD = st.sampled_from((*FIELDS, "properties", "traits", "groupId", "previousId", "timestamp", "sentAt", "channel"))
LIKELY = st.sampled_from([*CALL_TYPES, "u1", "web-key", "app-key", "gone-key", {}, {"a": 1}])
ENVELOPE = st.dictionaries(FIELD, LIKELY | JSON, max_size=3)
ITEM = st.dictionaries(FIELD, LIKELY | JSON, max_size=8) | JSON


@given(st.lists(ITEM, max_size=5), st.sampled_from([None, "web-key"]), ENVELOPE)
def test_every_item_is_accepted_or_refused_and_what_is_accepted_is_routed(
    items: list[Any], key: str | None, envelope: dict[str, Any]
) -> None:
    """Whatever JSON comes: nothing raises, nothing vanishes, and a 200 is never followed by events.invalid."""
    taken = take({**envelope, "batch": items}, "/v1/batch", key)
    assert len(taken.events) + len(taken.rejected) == max(1, len(items))
    assert len(routed(taken)) == len(taken.events) == sum(taken.sources.values())
    assert sum(taken.refusals.values()) == len(taken.rejected) >= len(taken.invalid)
    assert sum(taken.spent.values()) == len(taken.events) + len(taken.invalid)


@given(st.binary(max_size=200), st.sampled_from(["/v1/track", "/v1/batch"]))
def test_any_bytes_are_refused_or_taken(body: bytes, path: str) -> None:
    taken = take(body, path)
    assert len(taken.events) + len(taken.invalid) >= 1


def test_a_batch_message_and_a_batch_request_are_cut_alike() -> None:
    """The same body means the same events on Kafka and on HTTP."""
    body = {"batch": [{**TRACK, "type": "track", "context": {"a": 1}}], "context": {"b": 2}, "sentAt": "s"}
    (item,) = split(json.dumps(body).encode(), Limits(), Repairs())
    assert isinstance(item, dict)
    found = value(take(body, "/v1/batch"))
    assert {**item, "context": {**item["context"], "ip": IP}, "receivedAt": AT} == found


@pytest.mark.parametrize(
    ("body", "path", "events"),
    [
        (b'{"userId": "u1", "event": "Sale \\ud83d"}', "/v1/track", 1),
        (b'\xef\xbb\xbf{"userId": "u1", "event": "E"}', "/v1/track", 1),
        (b'{"userId": "u1", "event": "E", "properties": [], "context": {"traits": []}}', "/v1/track", 1),
        (b'[{"userId": "u1", "event": "E"}, {"userId": "u1", "event": "F"}]', "/v1/track", 2),
        (b'{"userId": "u1", "event": "E"}{"userId": "u1", "event": "F"}', "/v1/track", 2),
        (b'[{"type": "page", "userId": "u1"}, {"type": "page", "userId": "u1"}]', "/v1/batch", 2),
        (b'{"type": "page", "userId": "u1"}', "/v1/batch", 1),
        (b'{"batch": [{"type": "page", "userId": "u1"}], "context": [], "integrations": []}', "/v1/batch", 1),
        (b'{"type": "track", "batch": [{"type": "page", "userId": "u1"}]}', "/v1/batch", 1),
    ],
)
def test_json_as_clients_write_it_is_taken(body: bytes, path: str, events: int) -> None:
    taken = take(body, path)
    assert (len(taken.events), taken.rejected) == (events, [])


def test_a_number_beyond_64_bits_keeps_its_digits() -> None:
    taken = take(b'{"userId": 18446744073709551616, "event": "E", "properties": {"wei": 1000000000000000000001}}')
    assert b'"wei":1000000000000000000001' in taken.events[0][1]
    assert value(taken)["userId"] == "18446744073709551616"


def test_what_was_put_right_is_counted() -> None:
    taken = take(b'{"userId": "u1", "event": "\\ud83d", "properties": []}')
    assert taken.repairs == {("web", "unpaired_surrogate"): 1, ("web", "empty_list"): 1}


def private() -> Ingest:
    """The web source drops cards and hashes e-mail addresses."""
    return ingest_of(
        Topology.model_validate(
            {
                "name": "shop",
                "sources": SOURCES,
                "privacy": {
                    "classes": {
                        "card": {"color": "red", "values": "card"},
                        "email": {"color": "yellow", "values": "email"},
                    },
                    "source": {"web": {"card": "drop", "email": "hash"}},
                },
            }
        ),
        WriteKeys(SOURCES),
    )


CARD, EMAIL = "4111 1111 1111 1111", "ada@example.com"
DIGEST = sha256(EMAIL.encode()).hexdigest()


def test_what_a_source_does_with_personal_data_is_done_before_anything_is_written() -> None:
    """The key of the message too; and once: a digest that comes again stays as it is."""
    body = {**TRACK, "userId": EMAIL, "properties": {"card": CARD, "total": 9.5}}
    taken = take(body, at=private())
    assert value(taken)["userId"] == DIGEST
    assert value(taken)["properties"] == {"total": 9.5}
    assert taken.events[0][2] == DIGEST.encode()

    again = take({**TRACK, "userId": DIGEST}, at=private())
    assert value(again)["userId"] == DIGEST


def test_another_source_writes_what_it_gets() -> None:
    assert value(take({**TRACK, "userId": EMAIL}, key="app-key", at=private()))["userId"] == EMAIL


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"userId": EMAIL, "properties": {"card": CARD}}, "no_event"),
        ({**TRACK, "userId": CARD}, "no_id"),
        ({**TRACK, "properties": {"card": CARD, "much": "x" * 40_000}}, "too_large"),
    ],
)
def test_an_event_that_is_refused_is_kept_without_it_too(body: dict[str, Any], reason: str) -> None:
    taken = take(body, at=private())
    assert reasons(taken) == [reason]
    assert (CARD.encode() in taken.invalid[0][1], EMAIL.encode() in taken.invalid[0][1]) == (False, False)


def test_of_an_item_that_is_nested_too_deep_to_be_treated_nothing_is_kept() -> None:
    deep: Any = CARD
    for _ in range(900):
        deep = [deep]
    taken = take({**TRACK, "properties": {"deep": deep}}, at=private())
    assert reasons(taken) == ["too_deep"]
    assert taken.invalid[0][1] == b""
