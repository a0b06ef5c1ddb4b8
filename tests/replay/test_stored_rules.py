"""What was blocked or invalid is judged by today's plan and rules, with the messageId and receive time it had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import yaml

from router.agents.agent import Setup
from router.agents.pipeline import AGENTS, Pipeline
from router.config.loader import load_topology
from router.config.topics import topics_of
from router.dedupe.window_memory import MemoryWindow
from router.destinations.registry import destination_types
from router.identity import IdentityRules, MemoryIdentityStore, Replica
from router.replay.replay import Replayed
from router.replay.replay_source import Candidate
from router.replay.stored_rules import StoredMessage, StoredRules

AT = 1_767_225_600_000
URL = {"type": "webhook", "settings": {"url": "https://crm.example/events"}}


class Router:
    """A topology on files whose plan can be changed, and what its pipeline writes about an event."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan(required=["order_id"])
        self.facts: list[bytes] = []

    def plan(self, required: list[str]) -> None:
        events = self.folder / "plan" / "events"
        events.mkdir(parents=True, exist_ok=True)
        (self.folder / "plan" / "plan.yaml").write_text("name: shop\n")
        event = {
            "type": "track", "event": "Order Completed", "description": "d",
            "properties": {"type": "object", "required": required, "properties": {"order_id": {"type": "string"}}},
        }  # fmt: skip
        (events / "order-completed.yaml").write_text(yaml.safe_dump(event))

    def load(self, **web: Any) -> Any:
        crm = URL | {"filters": [{"if": "properties.total < 1", "then": "drop"}], "enabled": False}
        data = {
            "name": "shop", "sources": {"web": {"plan": "./plan", "enforce": {"violation": "block"}} | web},
            "destinations": {"crm": crm, "ads": URL | {"events": ["Other"]}, "other": URL},
        }  # fmt: skip
        file = self.folder / "shop.yaml"
        file.write_text(yaml.safe_dump(data))
        return load_topology([file], registry=destination_types())

    def written(self, topic: str, *bodies: bytes, source: str = "web") -> list[Candidate]:
        """What a router of the topology writes to events.blocked or events.invalid about these messages."""
        loaded = self.load()
        topics = topics_of(loaded.topology)
        replica = Replica(MemoryIdentityStore(), IdentityRules.of(loaded.topology.identity))
        pipeline = Pipeline.build(Setup(loaded, "c", MemoryWindow(0), replica, self.facts.append), AGENTS)
        named: Any = [("source", source.encode()), ("received-at", str(AT).encode()), ("traceparent", b"00")]
        messages = [
            StoredMessage(topics.keyed, Candidate(body, b"k", (), AT, source, "", "", ("0", 1)), named)
            for body in bodies
        ]
        records = [one for one in pipeline.run(messages, {(topics.keyed, 0): 0}).records if one[0] == topic]
        return [self.read(number, *record) for number, record in enumerate(records)]

    def read(self, number: int, topic: str, value: bytes, key: bytes | None, headers: Any) -> Candidate:
        named = {name: (raw or b"").decode() for name, raw in headers or ()}
        return Candidate(
            value, key, headers, AT + 5, named.get("source", ""), named.get("type", ""), named.get("event", ""),
            ("0", number + 1), f"{topic}:0:{number}",
        )  # fmt: skip

    def rules(self, *to: str, blocked: bool = True, **web: Any) -> StoredRules:
        loaded = self.load(**web)
        replica = Replica(MemoryIdentityStore(), IdentityRules.of(loaded.topology.identity))
        self.facts = []
        return StoredRules(
            loaded, topics_of(loaded.topology), to, replica, self.facts.append, blocked=blocked
        )  # fmt: skip


def event(**fields: Any) -> bytes:
    body = {"type": "track", "event": "Order Completed", "messageId": "m1", "userId": "u1", "anonymousId": "a1"}
    return orjson.dumps(body | {"properties": {"total": 9.5}, "timestamp": "2025-12-31T00:00:00Z"} | fields)


def refusals(found: list[Replayed]) -> list[tuple[str, str]]:
    return [(one.destination, one.refusal) for one in found]


def test_what_was_blocked_is_sent_once_the_plan_is_mended(tmp_path: Path) -> None:
    """To the destinations that are named and no others, also one that is switched off."""
    router = Router(tmp_path)
    (blocked,) = router.written("events.blocked", event())
    assert refusals(list(router.rules("crm").rule(blocked))) == [("crm", "plan")]

    router.plan(required=[])
    (sent,) = router.rules("crm").rule(blocked)
    body = orjson.loads(sent.value)
    assert (sent.destination, sent.refusal) == ("crm", "")
    assert (body["messageId"], body["receivedAt"]) == ("m1", "2026-01-01T00:00:00.000Z")
    assert (body["timestamp"], body["originalTimestamp"]) == ("2025-12-31T00:00:00.000Z", "2025-12-31T00:00:00Z")
    assert sent.key == body["profileId"].encode()
    assert sent.headers == [("source", b"web"), ("traceparent", b"00")]
    assert router.facts, "its ids are linked as those of any event"


def test_it_is_what_the_destination_had_got_had_it_not_been_blocked(tmp_path: Path) -> None:
    router = Router(tmp_path)
    (blocked,) = router.written("events.blocked", event())
    router.plan(required=[])
    (sent,) = router.rules("other").rule(blocked)
    loaded = router.load()
    replica = Replica(MemoryIdentityStore(), IdentityRules.of(loaded.topology.identity))
    pipeline = Pipeline.build(Setup(loaded, "c", MemoryWindow(0), replica, lambda record: None), AGENTS)
    topics = topics_of(loaded.topology)
    named: Any = [("source", b"web"), ("received-at", str(AT).encode()), ("traceparent", b"00")]
    fresh = StoredMessage(topics.keyed, Candidate(event(), b"k", (), AT, "web", "", "", ("0", 1)), named)
    (fan,) = pipeline.run([fresh], {(topics.keyed, 0): 0}).fans
    assert orjson.loads(sent.value) == orjson.loads(bytes(fan[1]))


def test_todays_filters_and_choice_of_destinations_hold(tmp_path: Path) -> None:
    router = Router(tmp_path)
    blocked = router.written("events.blocked", event(properties={"total": 0.5}))[0]
    router.plan(required=[])

    assert refusals(list(router.rules("crm", "ads", "other").rule(blocked))) == [
        ("other", ""), ("crm", "filter"), ("ads", "event"),
    ]  # fmt: skip


def test_what_was_invalid_is_read_again(tmp_path: Path) -> None:
    """Here after its limit was raised; several events of one message get messageIds of their own."""
    router = Router(tmp_path)
    router.plan(required=[])
    lines = b"\n".join([event(messageId="", userId=f"u{n}", event="", name=n) for n in range(2)])
    (one, two) = router.written("events.invalid", lines)
    assert dict(one.headers)["received-at"] == str(AT).encode()
    assert refusals(list(router.rules("other", blocked=False).rule(one))) == [("other", "no_event")]

    mended = [replace(each, value=each.value.replace(b'"event":""', b'"event":"E"')) for each in (one, two)]
    sent = [orjson.loads(found.value) for each in mended for found in router.rules("other", blocked=False).rule(each)]
    assert [body["receivedAt"] for body in sent] == ["2026-01-01T00:00:00.000Z"] * 2
    assert len({body["messageId"] for body in sent}) == 2


def test_what_is_cut_off_or_has_no_source_is_said(tmp_path: Path) -> None:
    router = Router(tmp_path)
    cut = Candidate(b"{", None, [("length", b"2000000")], AT, "web", "", "", ("0", 1), "events.invalid:0:1")
    assert refusals(list(router.rules("crm", blocked=False).rule(cut))) == [("crm", "cut")]
    nobody = Candidate(event(), None, [], AT, "", "", "", ("0", 2), "events.invalid:0:2")
    assert refusals(list(router.rules("crm", blocked=False).rule(nobody))) == [("crm", "unknown_source")]
