"""`router topics`: shown without a broker, made once, compared setting by setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.events.topics import TopicSpec
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from tests.cli.lines import Line


@pytest.fixture
def topology(tmp_path: Path, unique: str) -> Path:
    """A topology whose topics no other test has."""
    file = tmp_path / "shop.yaml"
    file.write_text(
        f"name: {unique}\n"
        f"topics: {{prefix: {unique}., partitions: 3, retention: 1d}}\n"
        "sources: {web: {write_keys: [web-dev-key]}, orders: {topics: ["
        f"{unique}.orders]}}}}\n"
        "destinations: {lake: {type: file, settings: {path: ./out}}}\n"
    )
    return file


def test_show_lists_every_topic_with_key_partitions_and_settings(line: Line, topology: Path, unique: str) -> None:
    ended = line("topics", "show", topology, "--json")

    shown = {topic["name"]: topic for topic in ended.answer}
    assert ended.status == 0
    assert shown[f"{unique}.events.raw"] == {
        "name": f"{unique}.events.raw",
        "key": "anonymousId, else userId",
        "partitions": 3,
        "settings": {
            "cleanup.policy": "delete",
            "retention.ms": "604800000",
            "message.timestamp.type": "LogAppendTime",
        },
    }
    assert shown[f"{unique}.dest.lake"]["settings"]["retention.ms"] == "86400000"
    assert shown[f"{unique}.identity.links"]["partitions"] == 1
    assert f"{unique}.orders" in shown
    assert all(topic["key"] for topic in shown.values())


def test_show_prints_one_line_a_topic(line: Line, topology: Path) -> None:
    table = line("topics", "show", topology).out.splitlines()

    assert len(table) == 1 + len(line("topics", "show", topology, "--json").answer)
    assert table[0].split() == ["topic", "partitions", "key", "settings"]


SECRETS = """
name: acme
topics: {prefix: "${ACME_PREFIX:-}"}
sources: {web: {write_keys: ["${ACME_WRITE_KEY}"]}}
destinations: {crm: {type: webhook, settings: {url: "${ACME_URL}", secret: "${file:missing.txt}"}}}
"""


def test_secrets_are_not_asked_of_those_who_look_at_topics(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(SECRETS)
    monkeypatch.setenv("ACME_PREFIX", "staging.")

    ended = line("topics", "show", file, "--json")
    assert "staging.events.raw" in [topic["name"] for topic in ended.answer]
    assert line("topics", "check", file, "--bootstrap", "127.0.0.1:1").status == 3
    assert line("send", "web", "-", "--topology", file, "--bootstrap", "127.0.0.1:1").status == 3

    file.write_text(SECRETS.replace("${ACME_PREFIX:-}", "${ACME_PREFIXES}"))
    refused = line("topics", "show", file)
    assert refused.status == 1
    assert "expected the environment variable ACME_PREFIXES to be set" in refused.err


def test_a_faulty_topology_is_status_1_before_any_broker_is_asked(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("name: x\nsources: {}\ntypo: 1\n")

    ended = line("topics", "apply", file, "--bootstrap", "127.0.0.1:1")

    assert ended.status == 1
    assert "typo" in ended.err


@pytest.mark.parametrize("verb", ["apply", "check"])
def test_without_a_broker_s_name_it_is_wrong_usage(line: Line, topology: Path, verb: str) -> None:
    assert line("topics", verb, topology).status == 2


@pytest.mark.parametrize("verb", ["apply", "check"])
def test_a_broker_that_is_not_there_is_status_3(line: Line, topology: Path, verb: str) -> None:
    ended = line("topics", verb, topology, "--bootstrap", "127.0.0.1:1")

    assert ended.status == 3
    assert "no broker answers: 127.0.0.1:1: Connection refused" in ended.err


@pytest.mark.parametrize("setting", ["acks=0", "isolation.level=read_uncommitted", "partitioner=random"])
def test_a_setting_that_the_guarantees_rest_on_is_refused(line: Line, topology: Path, setting: str) -> None:
    ended = line("topics", "check", topology, "--bootstrap", "127.0.0.1:1", "--kafka", setting)

    assert ended.status == 2
    assert setting.partition("=")[0] in ended.err


def test_apply_makes_what_is_missing_once_and_check_agrees(line: Line, topology: Path, kafka: str) -> None:
    assert line("topics", "check", topology, "--bootstrap", kafka).status == 1

    first = line("topics", "apply", topology, "--bootstrap", kafka, "--json")
    second = line("topics", "apply", topology, "--bootstrap", kafka, "--json")

    wanted = {topic["name"] for topic in line("topics", "show", topology, "--json").answer}
    assert (first.status, set(first.answer["created"]), first.answer["differences"]) == (0, wanted, [])
    assert (second.status, second.answer) == (0, {"created": [], "differences": []})
    checked = line("topics", "check", topology, "--bootstrap", kafka)
    assert (checked.status, checked.out) == (0, f"{len(wanted)} topics are as the topology has them\n")


def test_a_raw_topic_with_the_producers_time_is_refused(line: Line, topology: Path, kafka: str, unique: str) -> None:
    raw = TopicSpec(f"{unique}.events.raw", 3, {"message.timestamp.type": "CreateTime"})
    Admin(Cluster(kafka)).create([raw])

    ended = line("topics", "apply", topology, "--bootstrap", kafka)

    assert ended.status == 1
    expected = f"{unique}.events.raw: message.timestamp.type: expected LogAppendTime, got CreateTime"
    assert ended.err.startswith(expected)
    assert line("topics", "check", topology, "--bootstrap", kafka).status == 1


def test_partitions_are_never_changed(line: Line, topology: Path, kafka: str, unique: str) -> None:
    admin = Admin(Cluster(kafka))
    admin.create([TopicSpec(f"{unique}.events.resolved", 2)])

    ended = line("topics", "apply", topology, "--bootstrap", kafka)

    assert ended.status == 1
    assert f"{unique}.events.resolved: partitions: expected 3, got 2" in ended.err
    assert admin.topics()[f"{unique}.events.resolved"] == 2
