"""`router dlq redrive` and `purge` on a broker: what was refused arrives once it is put right, and only once."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from router import metrics
from router.delivery.records import LARGEST
from router.events.times import iso
from tests.cli.lines import Line
from tests.delivery.conftest import Staging
from tests.delivery.partner import Partner
from tests.delivery.stage import Stage, eventually
from tests.replay.conftest import AT, Command, put_letter

RUNBOOK = Path(__file__).parents[2] / "ops" / "runbook.md"
WEBHOOK = {"type": "webhook", "settings": {"url": "https://crm.example/events"}}


@pytest.fixture
def one(embedded_stage: Staging) -> Stage:
    return embedded_stage({"crm": WEBHOOK, "ads": WEBHOOK | {"enabled": False}})


def redriven(one: Stage, destination: str = "crm") -> list[dict[str, Any]]:
    return [orjson.loads(message.value() or b"") for message in one.read(one.topics.destination(destination))]


def shown(one: Stage) -> dict[str, int]:
    """The totals of crm on the metrics page, over all partitions."""
    rows = [row for (name, _), row in metrics.DELIVERY_TOTALS.rows().items() if name == "crm"]
    return {name: sum(row[f"router_delivery_{name}"] for row in rows) for name in ("delivered", "dead", "redriven")}


def test_what_was_refused_arrives_after_a_redrive(best_stage: Staging, partner: Partner, dlq: Command) -> None:
    """The whole way: refused, put right, redriven, delivered, with the same idempotency key; the sums hold."""
    partner.faults(crm=[{"kind": "poison", "status": 400}])
    one = best_stage({"crm": partner.webhook("/crm")})
    bad, good = one.send("crm", 6, poison=True), one.send("crm", 4)
    with one.delivering():
        eventually(lambda: one.totals("crm") == (4, 6), "the dead letters")
        partner.faults()
        assert dlq(one, "redrive", "--dry-run", "--json").answer == [
            {"destination": "crm", "redriven": 6, "skipped": {}, "dry_run": True}
        ]
        assert "crm: 6 dead letters redriven" in dlq(one, "redrive").out
        eventually(lambda: one.totals("crm") == (10, 6), "the redriven events")
        assert shown(one) == {"delivered": 10, "dead": 6, "redriven": 6}
        assert dlq(one, "redrive", "--json").answer[0] == {
            "destination": "crm", "redriven": 0, "skipped": {"redriven": 6}, "dry_run": False,
        }  # fmt: skip
    assert partner.counts("/crm") == dict.fromkeys([*good, *bad], 1)
    (group,) = dlq(one, "list", "--json").answer
    assert (group["count"], group["redriven"]) == (6, 6)
    assert {letter["redriven"] for letter in dlq(one, "show", "--json").answer} == {True}


def test_the_story_of_the_runbook(
    best_stage: Staging, partner: Partner, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commands as they stand there: an order did not reach the CRM, the URL is corrected, it arrives."""
    story = RUNBOOK.read_text("utf-8").partition("### An order did not reach the CRM\n")[2].partition("\n### ")[0]
    looking, repairing = (block.split("\n") for block in re.findall(r"^```\n(.*?)\n```$", story, re.M | re.S))
    partner.faults(old=[{"kind": "status", "status": 404}])
    one = best_stage({"crm": partner.webhook("/old")})
    monkeypatch.setenv("ROUTER_BOOTSTRAP", one.cluster.bootstrap)
    monkeypatch.setenv("ROUTER_TOPOLOGY", str(one.file))
    names = one.send("crm", 3)
    with one.delivering():
        eventually(lambda: one.totals("crm") == (0, 3), "the dead letters")
    listed, shown = (line(*command.split()[1:]).out for command in looking)
    assert "404: the address does not exist" in listed
    assert f"POST {partner.url}/" in shown
    one.write({"crm": partner.webhook("/crm")})
    before, after, listed = (line(*command.split()[1:]).out for command in repairing)
    assert before.splitlines() == ["crm: 3 dead letters would be redriven"]
    assert after.splitlines() == ["crm: 3 dead letters redriven"]
    assert ["crm", "404", "3", "3"] in [row.split()[:4] for row in listed.splitlines()]
    with one.delivering(follow=True):
        eventually(lambda: one.totals("crm") == (3, 3), "the redriven events")
    assert sorted(partner.names("/crm")) == sorted(names)


def test_a_letter_that_is_refused_again_is_a_new_letter(
    embedded_stage: Staging, partner: Partner, dlq: Command
) -> None:
    partner.faults(crm=[{"kind": "poison", "status": 422}])
    one = embedded_stage({"crm": partner.webhook("/crm")})
    one.send("crm", 1, poison=True)
    with one.delivering():
        for deaths in (1, 2, 3):
            eventually(lambda deaths=deaths: one.totals("crm") == (0, deaths), f"dead letter {deaths}")  # type: ignore[misc]
            assert dlq(one, "redrive", "--json").answer[0]["redriven"] == 1
        eventually(lambda: one.totals("crm") == (0, 4), "the last dead letter")
    first_origins = [dict(message.headers() or ()).get("first-origin") for message in one.dead("crm")]
    assert len(set(first_origins[1:])) == 1
    assert first_origins[0] is None


def test_again_sends_once_more(one: Stage, dlq: Command) -> None:
    put_letter(one, "crm", 1)
    one.flush()
    assert dlq(one, "redrive").status == 0
    assert dlq(one, "redrive", "crm", "--again", "--json").answer[0]["redriven"] == 1
    assert [event["messageId"] for event in redriven(one)] == ["m1", "m1"]


def test_only_what_is_chosen_is_redriven_and_the_rest_later(one: Stage, dlq: Command) -> None:
    for number in range(8):
        put_letter(one, "crm", number, code="400" if number % 2 else "503", at=AT + number)
    one.flush()
    assert dlq(one, "redrive", "crm", "--reason", "400", "--json").answer[0]["redriven"] == 4
    assert sorted(event["messageId"] for event in redriven(one)) == ["m1", "m3", "m5", "m7"]
    assert dlq(one, "redrive", "crm", "--json").answer[0] == {
        "destination": "crm", "redriven": 4, "skipped": {"redriven": 4}, "dry_run": False,
    }  # fmt: skip


def test_letters_that_cannot_be_sent_are_said_and_counted(one: Stage, dlq: Command) -> None:
    put_letter(one, "crm", 1, value=b"not json")
    one.produce(one.topics.dead("crm"), b"{", b"p1", [("error-code", b"400"), ("length", str(2 * LARGEST).encode())])
    one.flush()
    for options in ([], ["--as-is"]):
        said = dlq(one, "redrive", "crm", *options)
        assert "1 left: larger than 1 MB" in said.out
        assert "1 left: not a JSON object" in said.out
    assert redriven(one) == []


def test_todays_filters_hold_unless_they_are_passed_by(one: Stage, dlq: Command) -> None:
    one.write({"crm": WEBHOOK | {"filters": [{"if": 'event = "Debug"', "then": "drop"}]}})
    put_letter(one, "crm", 1, event="Debug")
    one.flush()
    assert "1 left: a filter drops it" in dlq(one, "redrive", "crm").out
    assert redriven(one) == []
    assert dlq(one, "redrive", "crm", "--as-is", "--json").answer[0]["redriven"] == 1


def test_a_destination_that_is_switched_off_or_gone_is_said(one: Stage, dlq: Command) -> None:
    put_letter(one, "ads", 1)
    one.flush()
    said = dlq(one, "redrive", "ads")
    assert (said.status, len(redriven(one, "ads"))) == (0, 1)
    assert "ads is switched off" in said.err
    one.write({"crm": WEBHOOK})
    gone = dlq(one, "redrive", "ads")
    assert gone.status == 1
    assert f"got ads, which is gone: {one.topics.dead('ads')} is there" in gone.err


def test_without_its_topics_it_names_the_command_that_makes_them(one: Stage, dlq: Command) -> None:
    one.write({"crm": WEBHOOK, "new": WEBHOOK})
    said = dlq(one, "redrive", "new")
    assert said.status == 1
    assert "router topics apply" in said.err


def test_a_record_that_no_router_wrote_stops_it(one: Stage, dlq: Command) -> None:
    """Rather than send again what has been sent."""
    one.produce(one.topics.redrives, b"{}", b"crm", None)
    one.flush()
    said = dlq(one, "redrive", "crm")
    assert said.status == 1
    assert f"{one.topics.redrives}:0:0: expected a record of router dlq redrive" in said.err


def test_a_purge_asks_and_the_embedded_broker_keeps_everything(one: Stage, dlq: Command) -> None:
    put_letter(one, "crm", 1)
    one.flush()
    assert "crm: 1 dead letter to delete, 1 of them never redriven" in dlq(one, "purge", "crm", "--dry-run").out
    assert dlq(one, "purge", "crm").status == 2
    assert "cannot delete records" in dlq(one, "purge", "crm", "--yes").err


@pytest.mark.kafka
def test_a_purge_deletes_what_is_older(kafka_stage: Staging, dlq: Command) -> None:
    one = kafka_stage({"crm": WEBHOOK})
    begin = int(time.time() * 1000) - 3_600_000
    for number in range(30):
        put_letter(one, "crm", number, at=begin + number * 1000)
    one.flush()
    assert dlq(one, "redrive", "--id", "m3").status == 0
    until = iso(begin + 20_000)
    (answer,) = dlq(one, "purge", "--until", until, "--yes", "--json").answer
    assert answer == {"destination": "crm", "count": 20, "never_redriven": 19, "deleted": True}
    (left,) = dlq(one, "list", "--json").answer
    assert (left["count"], left["first"]) == (10, until)
    assert dlq(one, "purge", "--yes").status == 0
    assert dlq(one, "list", "--json").answer == []
