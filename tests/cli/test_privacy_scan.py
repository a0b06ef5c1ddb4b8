"""`router privacy scan`: files and topics in, fields and counts out, never a value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer

from router.embedded.broker import EmbeddedBroker
from tests.cli.lines import Line
from tests.config.topologies import write

EMAIL, NUMBER = "ada@example.com", "customer-4711"
IDENTIFY = {"type": "identify", "userId": "u1", "traits": {"email": EMAIL, "nested": [{"mail": EMAIL}]}}
PAGE = {"type": "page", "userId": NUMBER, "context": {"ip": "192.0.2.1"}}
OWN = """\
name: t
sources: {}
privacy: {classes: {customer: {color: red, values: {pattern: "customer-[0-9]+"}}}}
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without topologies, as the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_fields_of_a_file_by_the_built_in_classes(line: Line, elsewhere: Path) -> None:
    lines = [json.dumps(IDENTIFY), "broken {", json.dumps({"batch": [PAGE, IDENTIFY]})]
    path = write(elsewhere, "events.ndjson", "\n".join(lines))

    ended = line("privacy", "scan", path, "--json")

    assert ended.status == 0
    assert "no privacy.classes in a topology" in ended.err
    rows = {(row["class"], row["path"]): row for row in ended.answer["fields"]}
    assert {key: (row["values"], row["events"]) for key, row in rows.items()} == {
        ("email", "traits.email"): (2, 2),
        ("email", "traits.nested[].mail"): (2, 2),
        ("ip", "context.ip"): (1, 1),
    }
    assert rows["email", "traits.email"]["example"] == f"{path}:1"
    assert rows["ip", "context.ip"]["example"] == f"{path}:3 batch[0]"
    assert (ended.answer["events"], ended.answer["personal"], ended.answer["unreadable"]) == (3, 3, 1)
    assert EMAIL not in ended.out
    assert "192.0.2.1" not in ended.out


def test_the_classes_of_the_topology_count_where_it_has_some(line: Line, elsewhere: Path) -> None:
    topology = write(elsewhere, "t.yaml", OWN)
    path = write(elsewhere, "events.json", json.dumps([IDENTIFY, PAGE]))

    ended = line("privacy", "scan", path, "--topology", topology)

    assert ended.status == 0
    assert ended.err == ""
    first, second, _, last = ended.out.splitlines()
    assert first.split() == ["class", "color", "field", "values", "events", "first", "at"]
    assert second.split()[:5] == ["customer", "red", "userId", "1", "1"]
    assert last == "2 events, 1 of them with personal data"
    assert NUMBER not in ended.out


def test_the_fields_of_a_topic(line: Line, elsewhere: Path, embedded: EmbeddedBroker, unique: str) -> None:
    embedded.create_topics({unique: 1})
    producer = Producer({"bootstrap.servers": embedded.bootstrap})
    for value in (json.dumps(IDENTIFY), f"{json.dumps(PAGE)}\n{json.dumps(PAGE)}", "\x00"):
        producer.produce(unique, value)
    assert producer.flush(60) == 0

    ended = line("privacy", "scan", unique, "--bootstrap", embedded.bootstrap, "--json")
    first = line("privacy", "scan", unique, "--bootstrap", embedded.bootstrap, "--json", "--count", "1")

    rows = {row["path"]: row for row in ended.answer["fields"]}
    assert (rows["context.ip"]["values"], rows["context.ip"]["example"]) == (2, f"{unique}:0:1")
    assert (ended.answer["events"], ended.answer["unreadable"]) == (3, 1)
    assert first.answer["events"] == 1
    assert EMAIL not in ended.out


def test_without_a_broker_what_is_no_file_is_wrong_usage(line: Line, elsewhere: Path) -> None:
    ended = line("privacy", "scan", "events.raw")

    assert ended.status == 2
    assert "--bootstrap" in ended.err


def test_a_file_that_holds_no_events_is_named(line: Line, elsewhere: Path) -> None:
    ended = line("privacy", "scan", write(elsewhere, "empty.json", ""))

    assert ended.status == 1
    assert "expected events, got an empty file" in ended.err
