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

from router.cli.tap import lines, resolve
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
        assert tap.wait(60) == 0
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
        assert tap.wait(60) == 0
        assert tap.stderr is not None
        assert tap.stderr.read() == ""
    finally:
        tap.kill()
        tap.communicate()


def test_a_reader_that_goes_away_is_no_error(embedded: EmbeddedBroker, unique: str) -> None:
    fill(embedded, unique, VALUES * 2000, partitions=1)
    tap = f"{sys.executable} -m router tap {unique} --from-beginning --no-follow --bootstrap {embedded.bootstrap}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{tap} | head -n 1"], capture_output=True, text=True, timeout=60, check=False
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
