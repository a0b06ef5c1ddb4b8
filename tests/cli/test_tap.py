"""`router tap`: a topic's messages as NDJSON, from a real broker process, without touching any group."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from router.cli.tap import resolve
from router.cli.tap_lines import lines
from router.embedded.broker import EmbeddedBroker
from router.errors import RouterError, UsageError
from tests.cli.lines import Line

VALUES = [b'{"event":"A"}', b'{"event":"B"}', b'{"event":"C"}']


def fill(broker: EmbeddedBroker, topic: str, values: list[bytes], partitions: int = 2) -> None:
    broker.create_topics({topic: partitions})
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for number, value in enumerate(values):
        producer.produce(topic, value, f"k{number}", number % partitions, headers=[("source", b"web")])
    assert producer.flush(60) == 0


def test_all_that_is_there_is_printed_as_ndjson(line: Line, embedded: EmbeddedBroker, unique: str) -> None:
    fill(embedded, f"{unique}.dest.crm", VALUES)

    ended = line("tap", f"{unique}.dest.crm", "--from-beginning", "--no-follow", "--bootstrap", embedded.bootstrap)

    assert ended.status == 0
    assert sorted(json.loads(row)["event"] for row in ended.out.splitlines()) == ["A", "B", "C"]


def at_times(broker: EmbeddedBroker, topic: str, events: list[tuple[int, int, dict[str, object]]]) -> None:
    """Messages by time in ms, partition and value."""
    broker.create_topics({topic: 2})
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for ms, number, event in events:
        producer.produce(topic, json.dumps(event).encode(), b"k", number, timestamp=ms, headers=[("source", b"web")])
    assert producer.flush(60) == 0


NOW = 1_767_225_600_000  # 2026-01-01
SPREAD: list[tuple[int, int, dict[str, object]]] = [
    (NOW + 1000 * number, number % 2, {"event": f"E{number % 3}", "n": number, "userId": f"u{number}"})
    for number in (0, 1, 5, 2, 3, 4)  # partition 1 has 1, 5, 3
]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--last", "3"], [3, 4, 5]),
        (["--last", "100"], [0, 1, 2, 3, 4, 5]),
        (["--last", "1", "--event", "E1"], [4]),
        (["--from-beginning", "--no-follow", "--event", "E1", "--event", "E2"], [1, 2, 4, 5]),
        (["--from-beginning", "--no-follow", "--user", "u2", "--user", "u5"], [2, 5]),
        (["--since", "2026-01-01T00:00:04Z", "--no-follow"], [4, 5]),
        (["--last", "9", "--where", "n > 3"], [4, 5]),
        (["--last", "2", "--where", "source = 'web' and n < 3"], [1, 2]),
    ],
)
def test_what_lies_there_is_chosen_and_in_the_order_of_time(
    line: Line, embedded: EmbeddedBroker, unique: str, options: list[str], numbers: list[int]
) -> None:
    spread = sorted(SPREAD, key=lambda each: each[0])
    at_times(embedded, unique, spread)

    ended = line("tap", unique, *options, "--bootstrap", embedded.bootstrap)

    assert (ended.status, ended.err) == (0, "")
    assert [json.loads(row)["n"] for row in ended.out.splitlines()] == numbers


def test_for_people_it_says_what_came_and_why_it_ended_there(line: Line, embedded: EmbeddedBroker, unique: str) -> None:
    embedded.create_topics({unique: 1})
    producer = Producer({"bootstrap.servers": embedded.bootstrap})
    event = {
        "type": "track",
        "event": "Order Completed",
        "userId": "u1",
        "messageId": "m1",
        "properties": {"total": "9"},
    }
    found = [{"class": "violation", "path": "/properties/total", "message": "expected number, got string"}]
    answer = b"400\n\nbad \x1b[2Jtotal"
    told: list[list[tuple[str, str | bytes | None]]] = [
        [("source", b"web")],
        [("source", b"web"), ("error-code", b"blocked"), ("violations", json.dumps(found).encode())],
        [("source", b"web"), ("error-code", b"no_id"), ("error-stage", b"decode")],
        [("source", b"web"), ("error-code", b"400"), ("attempts", b"2"), ("partner-answer", answer)],
    ]
    for headers in told:
        producer.produce(unique, json.dumps(event).encode(), b"k", 0, headers=headers)
    producer.produce(unique, b"no \x1b[2Jjson", b"k", 0)
    record = {
        "destination": "crm",
        "outcome": "dead",
        "code": "errors.discarded.400",
        "count": 3,
        "samples": [{"detail": "x"}],
    }
    producer.produce(unique, json.dumps(record).encode(), b"k", 0)
    assert producer.flush(60) == 0

    out = line("tap", unique, "--last", "9", "--pretty", "--bootstrap", embedded.bootstrap).out

    assert "web  track  Order Completed  userId u1  messageId m1" in out
    assert '    properties: {"total":"9"}' in out
    assert "violation at /properties/total: expected number, got string" in out
    assert "decode: no_id: " in out
    assert "given up: 400 after 2 attempts: " in out
    assert "answer: 400" in out
    assert "crm  dead  errors.discarded.400  3 events" in out
    assert '    samples: [{"detail":"x"}]' in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--where", "n >"], "--where:"),
        (["--since", "yesterday"], "--since: expected a time such as"),
        (["--last", "-1"], "--last"),
        (["--json", "--pretty"], "expected one of --json and --pretty, got both"),
        (["--last", "many"], "--last"),
    ],
)
def test_wrong_options_are_status_2_and_named(line: Line, options: list[str], said: str) -> None:
    ended = line("tap", "events.raw", *options, "--bootstrap", "127.0.0.1:1")

    assert ended.status == 2
    assert said in ended.err + ended.out


def test_a_short_name_finds_the_topic_with_the_prefix(line: Line, embedded: EmbeddedBroker, unique: str) -> None:
    fill(embedded, f"{unique}.dest.{unique}", VALUES)

    ended = line("tap", f"dest.{unique}", "--from-beginning", "--count", "1", "--bootstrap", embedded.bootstrap)

    assert len(ended.out.splitlines()) == 1


def test_json_shows_the_whole_message(line: Line, embedded: EmbeddedBroker, unique: str) -> None:
    fill(embedded, unique, [b'{"event":"A"}', b"not json \xff"])

    ended = line("tap", unique, "--json", "--from-beginning", "--no-follow", "--bootstrap", embedded.bootstrap)

    first, second = sorted(map(json.loads, ended.out.splitlines()), key=lambda shown: str(shown["key"]))
    assert first.pop("timestamp") > 0
    assert first == {
        "topic": unique,
        "partition": 0,
        "offset": 0,
        "key": "k0",
        "headers": {"source": "web"},
        "value": {"event": "A"},
    }
    assert second["bytes"] == "not json \\xff"


def test_live_means_only_what_comes_from_now_on(embedded: EmbeddedBroker, unique: str) -> None:
    fill(embedded, unique, [b'{"event":"old"}'], partitions=1)
    command = [sys.executable, "-m", "router", "tap", unique, "--count", "1", "--bootstrap", embedded.bootstrap]
    tap = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    producer = Producer({"bootstrap.servers": embedded.bootstrap})
    try:
        for _ in range(600):
            producer.produce(unique, b'{"event":"new"}')
            assert producer.flush(60) == 0
            try:
                tap.wait(0.1)
                break
            except subprocess.TimeoutExpired:
                continue
        assert tap.stdout is not None
        assert tap.stdout.read() == '{"event":"new"}\n'
        assert tap.wait(300) == 0
    finally:
        tap.kill()
        tap.communicate()


def test_ctrl_c_ends_it_with_0(embedded: EmbeddedBroker, unique: str) -> None:
    fill(embedded, unique, VALUES)
    command = [sys.executable, "-m", "router", "tap", unique, "--from-beginning", "--bootstrap", embedded.bootstrap]
    tap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert tap.stdout is not None
        assert tap.stdout.readline()
        tap.send_signal(2)
        assert tap.wait(300) == 0
        assert tap.stderr is not None
        assert tap.stderr.read() == ""
    finally:
        tap.kill()
        tap.communicate()


def test_a_reader_that_goes_away_is_no_error(embedded: EmbeddedBroker, unique: str) -> None:
    fill(embedded, unique, VALUES * 2000, partitions=1)
    tap = f"{sys.executable} -m router tap {unique} --from-beginning --no-follow --bootstrap {embedded.bootstrap}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{tap} | head -n 1"], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (0, 1, "")


def test_a_topic_that_is_not_there_is_named_with_the_nearest(line: Line, embedded: EmbeddedBroker, unique: str) -> None:
    embedded.create_topics({f"{unique}.events.resolved": 1})

    ended = line("tap", f"{unique}.events.resolve", "--bootstrap", embedded.bootstrap)

    assert ended.status == 1
    assert f"did you mean {unique}.events.resolved?" in ended.err


def test_no_broker_is_status_3_and_no_name_of_one_status_2(line: Line) -> None:
    assert line("tap", "events.raw", "--bootstrap", "127.0.0.1:1").status == 3
    assert line("tap", "events.raw").status == 2


def test_a_short_name_of_two_topics_is_refused() -> None:
    with pytest.raises(UsageError, match=r"a\.dest\.crm or b\.dest\.crm"):
        resolve("dest.crm", {"a.dest.crm": 1, "b.dest.crm": 1})


def test_a_name_is_matched_at_a_separator_only() -> None:
    with pytest.raises(RouterError):
        resolve("crm", {"notcrm": 1})
    assert resolve("dest.crm", {"dest.crm": 1, "x.dest.crm": 1}) == "dest.crm"


def test_several_events_in_one_message_are_several_lines() -> None:
    assert lines(b'{"a":1}\n\n{"b":2}\nnope\n') == ['{"a":1}', '{"b":2}', '{"bytes":"nope"}']


@given(st.one_of(st.binary(), st.text().map(lambda text: json.dumps({"event": text}).encode())))
def test_every_line_is_json_and_moves_no_cursor(value: bytes) -> None:
    for row in lines(value):
        json.loads(row)
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e\ufeff]", row)
