"""`router send`: from a file to the source's topic, keyed, with statuses that say what happened."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from router.embedded.broker import EmbeddedBroker
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.partitioner import partition_for
from tests.brokers.messages import to_the_end
from tests.cli.lines import Ended, Line

PARTITIONS = 4
EVENTS = [{"type": "track", "userId": f"u{number}", "event": "E", "messageId": f"m{number}"} for number in range(20)]


class Place:
    """A topology, a broker with its topics, and a folder for files."""

    def __init__(self, line: Line, broker: EmbeddedBroker, name: str, folder: Path) -> None:
        self._line = line
        self.cluster = broker.cluster
        self.raw = f"{name}.events.raw"
        self.own = f"{name}-own"
        self.folder = folder
        self.topology = folder / "shop.yaml"
        self.topology.write_text(
            f"name: {name}\ntopics: {{prefix: '{name}.', partitions: {PARTITIONS}}}\ndefault_source: plain\nsources:\n"
            f"  web: {{write_keys: [web-key]}}\n  orders: {{topics: [{self.own}]}}\n  plain: {{}}\n  keyless: {{}}\n"
            "  gone: {write_keys: [gone-key], enabled: false}\n"
        )
        broker.create_topics(dict.fromkeys((self.raw, self.own), PARTITIONS))

    def file(self, content: Any) -> Path:
        path = self.folder / "events.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def send(self, source: str, file: Path | str, *more: str) -> Ended:
        return self._line(
            "send", source, file, "--topology", self.topology, "--bootstrap", self.cluster.bootstrap, *more
        )

    def stored(self, topic: str) -> list[Any]:
        """Partition, key, headers and value of every message."""
        found = []
        reader = Consumer(clients.reader(self.cluster))
        for partition in range(PARTITIONS):
            reader.assign([TopicPartition(topic, partition, 0)])
            found += [
                (m.partition(), m.key(), dict(m.headers() or ()), json.loads(m.value() or b""))
                for m in to_the_end(reader)
            ]
        reader.close()
        return found


@pytest.fixture
def place(line: Line, embedded: EmbeddedBroker, unique: str, tmp_path: Path) -> Place:
    return Place(line, embedded, unique, tmp_path)


def test_events_reach_the_raw_topic_keyed_with_the_sources_key(place: Place) -> None:
    ended = place.send("web", place.file(EVENTS))
    stored = place.stored(place.raw)
    assert (ended.status, ended.out.strip()) == (0, f"sent 20 events to {place.raw}")
    assert sorted(value["messageId"] for *_, value in stored) == sorted(event["messageId"] for event in EVENTS)
    for partition, key, headers, value in stored:
        assert key == value["userId"].encode()
        assert partition == partition_for(key, PARTITIONS)
        assert headers["write-key"] == b"web-key"
        assert headers["received-at"].isdigit()


def test_a_source_with_a_topic_of_its_own_gets_them_there(place: Place) -> None:
    assert place.send("orders", place.file(EVENTS)).status == 0
    assert {tuple(headers) for _, _, headers, _ in place.stored(place.own)} == {("received-at",)}


def test_the_default_source_needs_no_key(place: Place) -> None:
    assert place.send("plain", place.file(EVENTS[0])).status == 0
    assert len(place.stored(place.raw)) == 1


def test_standard_input_is_a_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(map(json.dumps, EVENTS)).encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    assert place.send("web", "-").status == 0
    assert len(place.stored(place.raw)) == 20


def test_bad_events_are_reported_and_the_others_sent(place: Place) -> None:
    ended = place.send("web", place.file(f'{json.dumps(EVENTS[0])}\n{{"type": "track"}}\n{json.dumps(EVENTS[1])}\n'))
    assert ended.status == 1
    assert f"{place.folder}/events.json:2:1: " in ended.err
    assert ended.out.strip() == f"sent 2 events to {place.raw}; 1 were none"
    assert len(place.stored(place.raw)) == 2


def test_json_gives_the_same_as_objects(place: Place) -> None:
    ended = place.send("web", place.file([EVENTS[0], 5]), "--json")
    assert ended.status == 1
    assert (ended.answer["sent"], ended.answer["topic"]) == (1, place.raw)
    (problem,) = ended.answer["errors"]
    assert problem["path"] == "[1]"


@pytest.mark.parametrize(
    ("source", "words"),
    [("wep", "did you mean web?"), ("keyless", "neither"), ("gone", "switched off")],
)
def test_a_source_that_cannot_be_sent_to_is_named(place: Place, source: str, words: str) -> None:
    ended = place.send(source, place.file(EVENTS))
    assert ended.status == 1
    assert words in ended.err


def test_a_missing_file_is_named(place: Place) -> None:
    ended = place.send("web", place.folder / "none.json")
    assert ended.status == 1
    assert "none.json" in ended.err


def test_a_missing_topic_is_named(place: Place, unique: str) -> None:
    place.topology.write_text(
        f"name: {unique}\ntopics: {{prefix: 'x-{unique}.'}}\nsources: {{web: {{write_keys: [k-1234]}}}}\n"
    )
    ended = place.send("web", place.file(EVENTS))
    assert ended.status == 1
    assert "router topics apply" in ended.err


def test_without_a_broker_the_status_is_3(place: Place, line: Line) -> None:
    ended = line("send", "web", place.file(EVENTS), "--topology", place.topology, "--bootstrap", "127.0.0.1:1")
    assert ended.status == 3


def test_wrong_usage_is_status_2(place: Place, line: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert line("send", "web", place.file(EVENTS), "--topology", place.topology).status == 2
    ended = line("send", "web", place.file(EVENTS), "--bootstrap", place.cluster.bootstrap)
    assert ended.status == 2
    assert "--topology" in ended.err


def test_the_only_topology_of_the_folder_is_taken(
    place: Place, line: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Test files beside it do not count."""
    (tmp_path / "topologies").mkdir()
    place.topology.rename(tmp_path / "topologies" / "shop.yaml")
    (tmp_path / "topologies" / "shop.test.yaml").write_text("tests: []\n")
    monkeypatch.chdir(tmp_path)
    assert line("send", "web", place.file(EVENTS), "--bootstrap", place.cluster.bootstrap).status == 0


def test_the_embedded_broker_is_not_filled_beyond_what_it_holds(
    unique: str, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody reads: the command gives up with status 3, says how many were sent, and these are all there."""
    monkeypatch.setattr("router.cli.sender.CAPACITY_SECONDS", 2.0)
    with EmbeddedBroker() as broker:
        broker.start()
        place = Place(line, broker, unique, tmp_path)
        events = [json.dumps({**EVENTS[0], "userId": f"u{number}", "pad": "x" * 8000}) for number in range(4000)]
        ended = place.send("web", place.file("\n".join(events)))
        stored = len(place.stored(place.raw))
        ends = Admin(place.cluster).watermarks([(place.raw, number) for number in range(PARTITIONS)])
    assert ended.status == 3
    assert f"sent {stored} events" in ended.err
    assert {at.low for at in ends.values()} == {0}
    assert 0 < stored < 4000
