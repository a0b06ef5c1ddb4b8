"""What delivery reads and writes: any message becomes an item, a dead letter is whole, a log record tells no secret."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.delivery_log import LogConfig
from router.delivery.item import Partition, QueuedEvent
from router.delivery.read import epoch, idempotency_key, read_item
from router.delivery.records import (
    KEPT_OF_OVERSIZE,
    LARGEST,
    LONGEST,
    LONGEST_ANSWER,
    OTHER,
    SAMPLES,
    DeliveryLog,
    awaiting_retry,
    dead_letter,
    discarded,
    label,
)
from router.destinations.base import Exchange, Kind, Outcome
from router.mask import Mask

HEADERS = st.lists(st.tuples(st.text(max_size=8), st.none() | st.binary(max_size=8)), max_size=4)


def read(value: bytes | None, key: bytes | None = b"p1", headers: Any = ()) -> QueuedEvent:
    return read_item("crm", Partition("dest.crm", 3), 42, value, key, headers, 7.0)


@given(st.none() | st.binary(max_size=60), st.none() | st.binary(max_size=10), HEADERS)
def test_any_message_becomes_an_item_and_any_item_a_dead_letter(value: Any, key: Any, headers: Any) -> None:
    """Nothing in a topic can stop delivery, and what is given up is as it was."""
    item = read(value, key, headers)

    topic, kept, kept_key, kept_headers = dead_letter("dead", item, "400", "deliver")
    assert (topic, kept, kept_key) == ("dead", value, key)
    assert dict(kept_headers or [])["origin"] == b"dest.crm:3:42"


def test_an_event_is_read_with_its_names() -> None:
    """Headers say the source, of earlier releases type and event as well; the body fills what is missing."""
    body = {"type": "track", "event": "Order", "messageId": "m1", "receivedAt": "2026-01-01T00:00:01.500Z"}
    headers = [("source", b"web"), ("traceparent", b"00"), ("type", b"track"), ("x", None)]

    item = read(orjson.dumps(body), b"p1", headers)

    assert (item.delivery.source, item.delivery.type, item.delivery.event) == ("web", "track", "Order")
    assert (item.headers, item.delivery.key, item.delivery.body) == (headers, "p1", body)
    assert (item.received, item.fault) == (1767225601.5, "")
    of_a_function = read(orjson.dumps(body), b"p1", [("type", b"page"), ("event", b"Sale")])
    assert (of_a_function.delivery.type, of_a_function.delivery.event) == ("page", "Sale")


@pytest.mark.parametrize("value", [None, b"", b"x", b"[1]", b"1", b'"x"', b"\xff", b"[" * 2000])
def test_what_is_no_object_carries_its_fault(value: bytes | None) -> None:
    """It goes to the dead letters without a request."""
    assert read(value).fault == "MESSAGE_REJECTED"


def test_the_idempotency_key_belongs_to_event_and_destination() -> None:
    """The same for ever, another for any other; safe in a header."""
    keys = {
        idempotency_key(destination, source, message, place)
        for destination in ("crm", "ads")
        for source in ("web", "app")
        for message, place in (("m1", "t:0:1"), ("m2", "t:0:1"), (None, "t:0:1"), (None, "t:0:2"))
    }

    assert len(keys) == 8 + 4  # without a messageId the place alone tells events apart
    assert all(len(key) == 32 and key.isalnum() for key in keys)
    assert idempotency_key("crm", "web", "m1", "t:0:1") == idempotency_key("crm", "web", "m1", "t:9:9")


def test_a_redriven_event_keeps_its_idempotency_key() -> None:
    """Also one without a messageId, which is known by its first place."""
    first = read(b"{}")
    again = read_item(
        "crm", Partition("dest.crm", 3), 99, b"{}", b"p1",
        [("redriven", b"dest.crm.dead:3:1"), ("first-origin", first.origin.encode())], 7.0,
    )  # fmt: skip

    assert (first.redriven, again.redriven) == (False, True)
    assert again.delivery.idempotency_key == first.delivery.idempotency_key
    assert again.origin == "dest.crm:3:99"


@pytest.mark.parametrize("value", [None, 5, "", "soon", "2026-01-01", "2026-01-01T00:00:00"])
def test_a_time_without_a_zone_is_none(value: object) -> None:
    """A latency from it would be a lie."""
    assert epoch(value) is None


def test_a_letter_that_no_longer_fits_says_how_long_it_was() -> None:
    """Its first 64 KiB are kept; the broker would refuse the rest."""
    item = read(b"x" * (LARGEST + 1), b"p1", [("source", b"web"), ("junk", b"y" * 99)])

    _, value, _, headers = dead_letter("dead", item, "400", "deliver")

    assert value == b"x" * KEPT_OF_OVERSIZE
    assert dict(headers or [])["length"] == str(LARGEST + 1).encode()
    assert "junk" not in dict(headers or [])


@given(st.text(max_size=50))
def test_codes_come_from_closed_sets(code: str) -> None:
    """Whatever a connector says: a metric's label is never free text."""
    assert label(code) == OTHER or len(label(code)) <= 32
    assert discarded(code) == f"errors.discarded.{label(code)}"
    assert awaiting_retry(code) == f"errors.awaiting-retry.{label(code)}"


def delivery_log(*masked: str) -> DeliveryLog:
    return DeliveryLog("crm", "delivery.log", Mask(masked, ["hush-hush"]))


def values(one: DeliveryLog) -> list[dict[str, Any]]:
    return [orjson.loads(value or b"") for _, value, _, _ in one.records(1767225600.0)]


def event(number: int, **fields: Any) -> QueuedEvent:
    body = {"type": "track", "messageId": f"m{number}", "traits": {"email": "ada@example.com"}} | fields
    return read(orjson.dumps(body), b"p1", [("source", b"web")])


def test_outcomes_of_a_kind_are_one_record() -> None:
    """With their number, the attempts they took, and the latencies of those accepted."""
    one = delivery_log()
    for number, latency in enumerate((0.1, 0.3, 0.2)):
        one.accepted("delivered", event(number), latency)
    one.failed("retry", "errors.awaiting-retry.503", event(9))

    delivered, retry = values(one)

    assert delivered["latency_ms"] == {"sum": 600.0, "p50": 200.0, "p95": 200.0, "max": 300.0}
    assert (delivered["time"], delivered["count"], delivered["source"]) == ("2026-01-01T00:00:00.000Z", 3, "web")
    assert "samples" not in delivered
    assert (retry["outcome"], retry["code"], retry["count"]) == ("retry", "errors.awaiting-retry.503", 1)
    assert not one
    assert values(one) == []


def test_at_most_three_samples_are_kept() -> None:
    """Of however many failures."""
    one = delivery_log()
    for number in range(50):
        one.failed("dead", "errors.discarded.400", event(number), Outcome(Kind.REJECTED, "400"))

    record = values(one)[0]

    assert (record["count"], len(record["samples"])) == (50, SAMPLES)


def test_no_sample_shows_a_masked_field_or_a_secret() -> None:
    """Not even where the partner's answer quotes an event of the same request."""
    one = delivery_log("email")
    exchange = Exchange(
        'POST https://x/…\nAuthorization hush-hush\n\n{"traits": {"email": "ada@example.com"}}',
        "400\n\nunknown addresses ada@example.com, bob@example.com; token hush-hush",
    )
    outcome = Outcome(Kind.REJECTED, "400", "ada@example.com is bad", exchange=exchange)
    neighbour = event(2, traits={"email": "bob@example.com"})
    one.failed("dead", "errors.discarded.400", event(1), outcome, [event(1), neighbour])

    item = event(1)
    item.answer = one.answer(item, outcome, [item, neighbour])
    headers = dict(dead_letter("dead", item, "400", "deliver")[3] or [])
    text = str([values(one), headers["partner-answer"]])

    assert "m1" in text
    assert str(headers["partner-answer"]).startswith("b'400")
    assert not any(secret in text for secret in ("ada@", "bob@", "hush"))


def test_samples_are_short() -> None:
    """Whatever the sizes of event, request and answer."""
    one = delivery_log()
    exchange = Exchange("POST\n\n" + "r" * 100_000, "200\n\n" + "a" * 100_000)
    outcome = Outcome(Kind.REJECTED, "400", exchange=exchange)
    one.failed("dead", "c", event(1, note="n" * 100_000), outcome)
    assert len(one.answer(event(1), outcome)) == LONGEST_ANSWER

    sample = values(one)[0]["samples"][0]

    assert all(len(str(sample[name])) <= LONGEST for name in ("event", "request", "response"))


def test_delivered_and_filtered_events_are_named() -> None:
    """With the attempts and the milliseconds from receive time to the answer, as far as there is a latency."""
    one = delivery_log()
    for number, latency in enumerate((0.1234, None)):
        item = event(number)
        item.attempts = number + 1
        one.accepted("delivered", item, latency)
    one.filtered("mapping", event(7))
    one.accepted("delivered", read(b'{"type": "track"}'), 0.1)
    one.accepted("delivered", read(b'{"messageId": 7}'), 0.1)

    delivered, filtered, nameless = values(one)

    assert delivered["events"] == [["m0", 1, 123], ["m1", 2, None]]
    assert filtered["events"] == [["m7", 0, None]]
    assert (nameless["count"], "events" in nameless) == (2, False)


def test_a_sample_names_the_same_events_in_every_process() -> None:
    half, most = (LogConfig(sample=part) for part in (0.5, 0.9))
    ids = [f"m{number}" for number in range(1000)]

    assert 400 < sum(map(half.names, ids)) < 600
    assert all(most.names(one) for one in ids if half.names(one))
    assert not any(LogConfig.model_validate("none").names(one) for one in ids)
    assert all(LogConfig.model_validate("all").names(one) for one in ids)


def test_many_long_ids_are_several_records() -> None:
    """None too large for a message; their counts add up."""
    one = delivery_log()
    for number in range(2000):
        one.accepted("delivered", event(number, messageId=f"{number:0900}"), 0.1)

    records = one.records(1767225600.0)

    found = [orjson.loads(value) for _, value, _, _ in records]
    assert max(len(value) for _, value, _, _ in records) < 100_000
    assert sum(record["count"] for record in found) == 2000
    assert [name for record in found for name, *_ in record["events"]] == [f"{number:0900}" for number in range(2000)]
    assert values(one) == []
