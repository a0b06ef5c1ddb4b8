"""`router replay` on a broker: what was routed arrives once more, is counted apart, and a mistake is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from router import metrics
from router.embedded.broker import EmbeddedBroker
from router.events.times import iso
from tests.cli.lines import Ended, Line
from tests.delivery.partner import Partner
from tests.delivery.stage import Stage, eventually
from tests.replay.conftest import AT, put_letter

Run = Callable[..., Ended]
SINCE, UNTIL = iso(AT), iso(AT + 3_600_000)
RANGE = ("--since", SINCE, "--until", UNTIL)


class Routed(Stage):
    """With what was routed, blocked and invalid."""

    parts = (*Stage.parts, ".replays", ".events.resolved", ".events.blocked", ".events.invalid")

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
        stopped = run("--to", "crm", *RANGE, "--rate", 10)
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


WRONG: list[tuple[tuple[str, ...], int, str]] = [
    (("--to", "crn", "--since", "1h"), 1, "--to: expected a destination of {name}, got crn (did you mean crm?)"),
    (("--since", "1h"), 2, "expected --to DEST"),
    (("--to", "crm"), 2, "expected --since TIME"),
    (("--to", "crm", "--since", "1h", "--until", "2h"), 2, "expected --since before --until, got 1h and 2h"),
    (("--to", "crm", "--since", "soon"), 2, "--since: expected a time such as"),
    (("--to", "crm", "--since", "1h", "--where", "total >"), 2, "--where: "),
    (("--to", "crm", "--since", "1h", "--from", "events.raw"), 2, "--from: expected events.resolved"),
    (("show", "r9"), 1, "expected the id of a replay, got r9: there is none"),
    (("stop", "r9"), 1, "expected the id of a replay, got r9"),
]


def test_wrong_usage_is_named(one: Routed, run: Run) -> None:
    for options, status, what in WRONG:
        ended = run(*options)
        assert (ended.status, what.format(name=one.name) in ended.err) == (status, True), ended.err
