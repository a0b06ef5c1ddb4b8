"""Today's rules decide about a letter as they decide about an event, once more and without doing anything twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from router.config.loader import load_topology
from router.destinations.registry import destination_types
from router.replay.current_rules import CurrentRules

URL = {"type": "webhook", "settings": {"url": "https://crm.example/events"}}
EVENT = {
    "type": "track", "event": "Order Completed", "messageId": "m1", "userId": "u1", "profileId": "p1",
    "properties": {"order_id": "1", "total": 9.5}, "context": {"traits": {"email": "zoe@example.com"}},
}  # fmt: skip


def rules(folder: Path, crm: dict[str, Any], **topology: Any) -> CurrentRules:
    file = folder / "shop.yaml"
    data = {"name": "shop", "sources": {"web": {}, "app": {}}, "destinations": {"crm": URL | crm, "ads": URL}}
    file.write_text(yaml.safe_dump(data | topology))
    return CurrentRules(load_topology([file], registry=destination_types()), "crm")


def judged(made: CurrentRules, source: str = "web", **fields: Any) -> tuple[dict[str, Any], str]:
    value, refusal = made.judge(orjson.dumps(EVENT | fields), source)
    return orjson.loads(value), refusal


def test_bytes_that_no_rule_changes_stay_as_they_are(tmp_path: Path) -> None:
    value = b' {"type":"track", "event": "E", "n": 123456789012345678901234567890 }'
    assert rules(tmp_path, {}).judge(value, "web") == (value, "")


@pytest.mark.parametrize(
    ("crm", "reason"),
    [
        ({"types": ["identify"]}, "type"),
        ({"events": ["Other"]}, "event"),
        ({"sources": ["app"]}, "source"),
        ({"filters": [{"if": "properties.total > 5", "then": "drop"}]}, "filter"),
        ({"consent": ["marketing"]}, "consent"),
    ],
)
def test_what_the_topology_no_longer_sends_is_refused_with_the_reason(
    tmp_path: Path, crm: dict[str, Any], reason: str
) -> None:
    assert judged(rules(tmp_path, crm))[1] == reason


def test_an_event_that_switches_the_destination_off_is_refused(tmp_path: Path) -> None:
    assert judged(rules(tmp_path, {}), integrations={"crm": False})[1] == "integrations"


def test_a_destination_that_is_switched_off_has_rules_all_the_same(tmp_path: Path) -> None:
    assert judged(rules(tmp_path, {"enabled": False}))[1] == ""


def test_fields_are_kept_as_the_filters_say_today(tmp_path: Path) -> None:
    made = rules(tmp_path, {"filters": [{"then": {"keep": ["properties.order_id"]}}]})
    assert judged(made)[0]["properties"] == {"order_id": "1"}


def test_no_sample_is_taken_of_a_sample(tmp_path: Path) -> None:
    made = rules(tmp_path, {"filters": [{"then": {"sample": 0.0001}}]})
    assert [judged(made, messageId=f"m{number}")[1] for number in range(50)] == [""] * 50


def test_a_privacy_rule_of_today_holds_and_does_not_hash_a_hash(tmp_path: Path) -> None:
    privacy = {"classes": {"email": {"color": "yellow", "values": "email", "names": ["*email*"]}}}
    made = rules(tmp_path, {}, privacy=privacy | {"destinations": {"crm": {"email": "hash"}}})

    once = judged(made)[0]
    digest = once["context"]["traits"]["email"]

    assert len(digest) == 64
    assert judged(made, context=once["context"])[0] == once


@pytest.mark.parametrize("value", [b"", b"\xff", b"[1]", b"7", b"{"])
def test_what_is_no_event_is_unreadable(tmp_path: Path, value: bytes) -> None:
    assert rules(tmp_path, {}).judge(value, "web").refusal == "unreadable"


def test_a_message_of_another_program_is_let_through(tmp_path: Path) -> None:
    made = rules(tmp_path, {"types": ["identify"]})
    assert made.judge(b'{"a": 1}', "web") == (b'{"a": 1}', "")
    assert judged(made, source="")[1] == ""
