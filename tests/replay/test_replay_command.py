"""`router replay` on a broker: what was routed arrives once more, is counted apart, and a mistake is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import orjson
import pytest
import yaml

from router import metrics
from router.config.loader import load_topology
from router.delivery.run import run_delivery
from router.destinations.archive import archive_file
from router.destinations.base import Delivery
from router.destinations.registry import destination_types
from router.embedded.broker import EmbeddedBroker
from router.errors import UsageError
from router.events.times import iso
from router.kafka.admin import Admin
from router.process.health import Health
from tests.cli.lines import Ended, Line
from tests.delivery.partner import Partner
from tests.delivery.stage import Stage, eventually
from tests.replay.conftest import AT, put_letter

Run = Callable[..., Ended]
RUNBOOK = Path(__file__).parents[2] / "ops" / "runbook.md"
SINCE, UNTIL = iso(AT), iso(AT + 3_600_000)
RANGE = ("--since", SINCE, "--until", UNTIL)


class Routed(Stage):
    """With what was routed, blocked and invalid."""

    parts = (*Stage.parts, ".replays", ".events.resolved", ".events.blocked", "identity.links")

    def route(self, count: int, *, at: int = AT, source: str = "web", **fields: Any) -> None:
        """Events `m0`, `m1`, … of profiles `p0` to `p4` in the clean stream, a second apart."""
        for number in range(count):
            name = ("Order Completed", "Product Viewed")[number % 2]
            body = {
                "type": "track", "event": name, "messageId": f"m{number}", "userId": f"u{number % 5}",
                "profileId": f"p{number % 5}", "receivedAt": iso(at + 1000 * number),
                "timestamp": "2025-12-31T10:00:00.000Z", "properties": {"n": number},
            } | fields  # fmt: skip
            headers = [("source", source.encode()), ("type", b"track"), ("event", str(body["event"]).encode())]
            self.produce(
                self.topics.resolved, orjson.dumps(body), f"p{number % 5}".encode(), headers, at + 1000 * number
            )
        self.flush()

    def replayed(self, destination: str) -> list[dict[str, Any]]:
        return [orjson.loads(message.value() or b"") for message in self.read(self.topics.destination(destination))]


WEBHOOK = {"type": "webhook", "settings": {"url": "https://crm.example/events"}}


@pytest.fixture
def one(embedded: EmbeddedBroker, tmp_path: Path, unique: str, request: pytest.FixtureRequest) -> Routed:
    """Its destinations go to a partner where the test has one."""
    crm, ads = WEBHOOK, WEBHOOK
    if "partner" in request.fixturenames:
        partner: Partner = request.getfixturevalue("partner")
        crm, ads = partner.webhook("/crm"), partner.webhook("/ads")
    return Routed(embedded, tmp_path, unique, {"crm": crm, "ads": ads})


@pytest.fixture
def run(line: Line, one: Routed) -> Run:
    def replay(*arguments: object) -> Ended:
        return line("replay", *arguments, "--topology", one.file, "--bootstrap", one.cluster.bootstrap)

    return replay


def test_what_was_routed_arrives_once_more_and_is_counted_apart(one: Routed, run: Run, partner: Partner) -> None:
    """Beside live events of the same destination, whose sums and latency do not move."""
    one.route(20)
    live = one.send("crm", 5)
    with one.delivering():
        eventually(lambda: one.totals("crm") == (5, 0), "the live events")
        ended = run("--to", "crm", *RANGE, "--json")
        eventually(lambda: sum(partner.counts("/crm").values()) == 25, "the replayed events")
        eventually(lambda: rows(one)["router_replay_delivered"] == 20, "their counts")
        assert rows(one)["router_delivery_delivered"] == 5
    assert (ended.status, ended.answer["status"], ended.answer["id"]) == (0, "done", "r1")
    assert ended.answer["destinations"] == [{"destination": "crm", "replayed": 20, "skipped": {}}]
    assert partner.counts("/crm") == dict.fromkeys([*live, *(f"m{number}" for number in range(20))], 1)
    assert partner.counts("/ads") == {}
    assert {event["timestamp"] for event in one.replayed("crm")[5:]} >= {"2025-12-31T10:00:00.000Z"}
    logged = {(entry.get("replay"), entry["outcome"]) for entry in one.log()}
    assert logged == {(None, "delivered"), ("r1", "delivered")}
    listed = run("list", "--json").answer
    assert [(each["id"], each["status"], each["share"]) for each in listed] == [("r1", "done", 1.0)]
    assert "r1 done" in run("show", "r1").out
    assert "r1 is done" in run("stop", "r1").err
    assert run("resume", "r1").status == 1


def rows(one: Routed) -> dict[str, int]:
    found = [row for (name, _), row in metrics.DELIVERY_TOTALS.rows().items() if name == "crm"]
    return {
        name: sum(row.get(name, 0) for row in found)
        for name in ("router_delivery_delivered", "router_replay_delivered")
    }


def test_a_dry_run_counts_what_is_chosen_by_event_and_reason(one: Routed, run: Run) -> None:
    crm = {"filters": [{"if": "properties.n < 4", "then": "drop"}], "delivery": {"rate": "20/s"}}
    one.write({"crm": WEBHOOK | crm, "ads": WEBHOOK | {"events": ["Product Viewed"]}})
    one.route(20)
    answer = run("--to", "crm", "ads", *RANGE, "--dry-run", "--json").answer
    assert (answer["selected"], answer["by_event"]) == (20, {"track Order Completed": 10, "track Product Viewed": 10})
    assert answer["destinations"] == [
        {"destination": "crm", "replayed": 16, "skipped": {"filter": 4}},
        {"destination": "ads", "replayed": 10, "skipped": {"event": 10}},
    ]
    assert (answer["rate"], answer["seconds"]) == (10, 1.6)
    said = run("--to", "crm", *RANGE, "--dry-run", "--rate", 1).out
    assert "20 events selected of 20 read\n  10 track Order Completed" in said
    assert "crm: 16 events would be replayed\n  4 not: a filter drops it" in said
    assert "at 1 a second this takes 16 s" in said
    assert one.replayed("crm") == []
    assert run("list").out == "no replays\n"
    one.write({"crm": WEBHOOK})
    one.route(4, at=AT + 7_200_000)
    one.route(3, source="app")
    put_letter(one, "crm", 4)
    put_letter(one, "crm", 6)
    one.flush()
    for options, count in (
        (("--event", "Product Viewed"), 11),
        (("--except", "Product Viewed", "--source", "web"), 10),
        (("--user", "u1"), 5),
        (("--where", "properties.n >= 15"), 5),
        (("--failed-only",), 2),
        (("--since", iso(AT + 10_000), "--until", iso(AT + 12_000)), 2),
    ):
        chosen = options if "--since" in options else (*RANGE, *options)
        assert run("--to", "crm", *chosen, "--dry-run", "--json").answer["destinations"][0]["replayed"] == count


def test_a_replay_that_was_stopped_goes_on_where_it_is(one: Routed, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose process is gone: the second command takes its place."""
    one.route(30)
    with monkeypatch.context() as patched:
        patched.setattr("router.replay.room.DestinationRoom.wait", lambda self: False)
        stopped = run("--to", "crm", *RANGE, "--rate", 50)
    assert stopped.status == 1
    assert "stopped before the end: router replay resume r1 goes on" in stopped.err
    assert len(one.replayed("crm")) == 10
    (state,) = run("list", "--json").answer
    assert (state["status"], 0.2 < state["share"] < 0.6) == ("stopped", True)
    assert "stopped" in run("list").out
    assert "r1 is stopped at" in run("stop", "r1").out
    done = run("resume", "r1", "--json").answer
    assert (done["status"], done["selected"], done["destinations"][0]["replayed"]) == ("done", 30, 30)
    assert sorted(event["properties"]["n"] for event in one.replayed("crm")) == list(range(30))


def test_another_command_ends_the_one_that_runs(one: Routed, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first writes no batch more once somebody else stopped or resumed it."""
    one.route(30)
    others = iter(["stop", "resume"])

    def meanwhile(_: object) -> bool:
        other = next(others, None)
        if other is not None:
            run(other, "r1")
        return True

    monkeypatch.setattr("router.replay.room.DestinationRoom.wait", meanwhile)
    ended = run("--to", "crm", *RANGE, "--rate", 10)
    assert (ended.status, "r1 was stopped by another command" in ended.err) == (1, True)
    assert one.replayed("crm") == []
    ended = run("resume", "r1")
    assert ended.status == 3
    assert "another process goes on with r1" in ended.err
    assert sorted(event["properties"]["n"] for event in one.replayed("crm")) == list(range(30))


def test_a_second_replay_of_what_one_is_sending_is_refused(
    one: Routed, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.route(5)
    said: list[Ended] = []

    def meanwhile(_: object) -> bool:
        if not said:
            said.append(run("--to", "ads", "crm", "--since", SINCE, "--until", UNTIL))
            said.append(run("--to", "ads", *RANGE, "--json"))
        return True

    monkeypatch.setattr("router.replay.room.DestinationRoom.wait", meanwhile)
    assert run("--to", "crm", *RANGE).status == 0
    assert said[0].status == 1
    assert "the replay r1 to crm from 2026-01-01T00:00:00.000Z" in said[0].err
    assert "router replay resume r1" in said[0].err
    assert (said[1].status, said[1].answer["id"]) == (0, "r2")
    assert run("--to", "crm", *RANGE, "--json").answer["id"] == "r3"


def test_what_a_plan_blocked_by_mistake_arrives_once_it_is_mended(one: Routed, run: Run) -> None:
    """A dry run writes nothing, also not to the identity log."""
    headers = [("source", b"web"), ("type", b"track"), ("event", b"E"), ("violations", b"[]"), ("plan", b"shop")]
    for number in range(4):
        body = {"type": "track", "event": "E", "messageId": f"m{number}", "userId": "u1", "anonymousId": f"a{number}"}
        times = {"receivedAt": iso(AT + number), "timestamp": iso(AT), "originalTimestamp": iso(AT)}
        one.produce(one.topics.blocked, orjson.dumps(body | times), b"k", headers, AT + number)
    one.flush()
    options = ("--to", "crm", *RANGE, "--from", "events.blocked")
    assert run(*options, "--dry-run", "--json").answer["destinations"][0]["replayed"] == 4
    assert links(one) == 0
    assert run(*options, "--until", iso(AT + 3)).status == 0
    sent = one.replayed("crm")
    assert sorted((event["messageId"], event["receivedAt"]) for event in sent) == [
        (f"m{number}", iso(AT + number)) for number in range(3)
    ]
    assert len({event["profileId"] for event in sent}) == 1
    assert links(one) > 0


def links(one: Routed) -> int:
    return Admin(one.cluster).watermarks([(one.topics.links, 0)])[one.topics.links, 0].high


def test_an_archive_is_sent_as_it_was_also_to_a_destination_that_is_switched_off(
    one: Routed, run: Run, tmp_path: Path, partner: Partner
) -> None:
    """Which gets it from a delivery that is told so, and nothing else is routed to it."""
    body = {"type": "track", "event": "E", "userId": "u1", "profileId": "p1", "receivedAt": iso(AT), "n": 1.50}
    values = [orjson.dumps(body | {"messageId": f"m{number}"}) for number in range(5)]
    bodies = [orjson.loads(value) for value in values]
    archived = [Delivery(v, "p1", "web", "track", "E", f"k{n}", bodies[n]) for n, v in enumerate(values)]
    file = archive_file(archived)
    (tmp_path / "past" / file.path).parent.mkdir(parents=True)
    (tmp_path / "past" / file.path).write_bytes(file.content)
    crm = partner.webhook("/crm") | {"enabled": False}
    one.write({"crm": crm, "ads": {"type": "archive", "settings": {"url": "./past"}}})
    ended = run("--to", "crm", *RANGE, "--from", "archive:ads")
    assert (ended.status, "crm is switched off" in ended.err) == (0, True)
    assert run("--to", "crm", *RANGE, "--from", f"archive:{tmp_path}/past", "--dry-run", "--json").answer["read"] == 5
    assert [message.value() for message in one.read(one.topics.destination("crm"))] == values
    one.loaded = load_topology([one.file], registry=destination_types())
    with one.delivering(["crm"], switched_off=True):
        eventually(lambda: sum(partner.counts("/crm").values()) == 5, "the archived events")
    with pytest.raises(UsageError, match="has enabled: false"):
        run_delivery(one.loaded, one.options, Event(), Health(), ["crm"])


def test_the_story_of_the_runbook(one: Routed, run: Run, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands as they stand there: a plan blocked by mistake, is mended, and what it blocked is sent."""
    story = RUNBOOK.read_text("utf-8").partition("### A plan blocked events by mistake\n")[2].partition("\n### ")[0]
    (look,), (again, send, show) = (block.split("\n") for block in re.findall(r"^```\n(.*?)\n```$", story, re.M | re.S))
    monkeypatch.setenv("ROUTER_BOOTSTRAP", one.cluster.bootstrap)
    monkeypatch.setenv("ROUTER_TOPOLOGY", str(one.file))
    plan = one.folder / "plan" / "events" / "e.yaml"
    plan.parent.mkdir(parents=True)
    (plan.parent.parent / "plan.yaml").write_text("name: shop\n")
    event = {"type": "track", "event": "E", "description": "d", "properties": {"type": "object", "required": ["id"]}}
    plan.write_text(yaml.safe_dump(event))
    one.write({"crm": WEBHOOK}, sources={"web": {"plan": "./plan", "enforce": {"violation": "block"}}})
    headers = [("source", b"web"), ("type", b"track"), ("event", b"E"), ("violations", b"[]")]
    body = {"type": "track", "event": "E", "messageId": "m1", "userId": "u1", "receivedAt": iso(AT), "properties": {}}
    one.produce(one.topics.blocked, orjson.dumps(body), b"k", headers)
    one.flush()

    found = line(*look.split()[1:]).out
    assert "crm: 0 events would be replayed\n  1 not: the tracking plan does not allow it" in found
    plan.write_text(yaml.safe_dump(event | {"properties": {"type": "object"}}))
    assert "crm: 1 event would be replayed" in line(*again.split()[1:]).out
    assert line(*send.split()[1:]).status == 0
    assert "crm: 1 event replayed" in line(*show.split()[1:]).out
    (sent,) = one.replayed("crm")
    assert (sent["messageId"], sent["receivedAt"]) == ("m1", iso(AT))


WRONG: list[tuple[tuple[str, ...], int, str]] = [
    (("--to", "crn", "--since", "1h"), 1, "--to: expected a destination of {name}, got crn (did you mean crm?)"),
    (("--since", "1h"), 2, "expected --to DEST"),
    (("--to", "crm"), 2, "expected --since TIME"),
    (("--to", "crm", "--since", "1h", "--until", "2h"), 2, "expected --since before --until, got 1h and 2h"),
    (("--to", "crm", "--since", "soon"), 2, "--since: expected a time such as"),
    (("--to", "crm", "--since", "1h", "--where", "total >"), 2, "--where: "),
    (("--to", "crm", "--since", "1h", "--from", "events.raw"), 2, "--from: expected events.resolved"),
    (("--to", "crm", "--since", "1h", "--from", "archive:"), 2, "--from: expected archive:PATH"),
    (("--to", "crm", "--since", "1h", "--from", "archive:./none"), 1, "expected a folder, got none"),
    (("show", "r9"), 1, "expected the id of a replay, got r9: there is none"),
    (("stop", "r9"), 1, "expected the id of a replay, got r9"),
]


def test_wrong_usage_is_named(one: Routed, run: Run) -> None:
    for options, status, what in WRONG:
        ended = run(*options)
        assert (ended.status, what.format(name=one.name) in ended.err) == (status, True), ended.err
