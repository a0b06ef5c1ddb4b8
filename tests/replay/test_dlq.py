"""`router dlq list` and `show` on dead letters that a delivery wrote, and on what others may have written there."""

from __future__ import annotations

import time
from dataclasses import replace

import orjson
import pytest

from router.cli.up import announce
from router.process.up import Running
from tests.delivery.conftest import Staging
from tests.delivery.partner import Partner
from tests.delivery.stage import Stage, eventually
from tests.replay.conftest import AT, Command, put_letter

STEP_MS = 600_000
WEBHOOK = {"type": "webhook", "settings": {"url": "https://crm.example/events"}}


@pytest.fixture
def one(embedded_stage: Staging) -> Stage:
    return embedded_stage({"crm": WEBHOOK, "ads": WEBHOOK | {"enabled": False}}, mask=["email"])


def test_list_counts_by_destination_and_reason(one: Stage, dlq: Command) -> None:
    for number in range(6):
        put_letter(one, "crm", number, code="400" if number % 2 else "ETIMEDOUT", at=AT + number)
    put_letter(one, "ads", 9, code="404")
    one.flush()
    found = dlq(one, "list", "--json").answer
    assert [(group["destination"], group["reason"], group["count"]) for group in found] == [
        ("ads", "404", 1), ("crm", "400", 3), ("crm", "ETIMEDOUT", 3),
    ]  # fmt: skip
    assert found[1]["first"] == "2026-01-01T00:00:00.001Z"
    assert found[1]["last"] == "2026-01-01T00:00:00.005Z"
    assert found[1]["sample"] == {"messageId": "m5", "event": "Order Completed"}
    said = dlq(one, "list", "crm").out
    assert "400: the partner rejects the data; " in said
    assert "404:" not in said


def test_list_takes_the_dead_letters_that_are_asked_for(one: Stage, dlq: Command) -> None:
    for number in range(6):
        put_letter(one, "crm", number, at=AT + number, total=number, event="Odd" if number % 2 else "Even")
    one.flush()

    def count(*options: str) -> int:
        return sum(group["count"] for group in dlq(one, "list", "--json", *options).answer)

    assert count("--event", "Odd") == 3
    assert count("--event", "Odd", "--event", "Even") == 6
    assert count("--source", "app") == 0
    assert count("--id", "m4") == 1
    assert count("--since", "2026-01-01T00:00:00.004Z") == 2
    assert count("--until", "2026-01-01T00:00:00.004Z", "--where", "total > 2") == 1
    assert count("--reason", "500") == 0


def test_show_has_the_event_the_request_and_the_answer(embedded_stage: Staging, partner: Partner, dlq: Command) -> None:
    partner.faults(crm=[{"kind": "poison", "status": 400}])
    one = embedded_stage({"crm": partner.webhook("/crm")}, mask=["email"])
    (name,) = one.send("crm", 1, poison=True, email="zoe@example.com")
    with one.delivering():
        eventually(lambda: one.totals("crm") == (0, 1), "the dead letter")
    (shown,) = dlq(one, "show", "crm", "--id", name, "--json").answer
    assert (shown["messageId"], shown["reason"], shown["stage"], shown["attempts"]) == (name, "400", "deliver", 1)
    assert (shown["event"]["poison"], shown["event"]["email"]) == (True, "***")
    assert shown["request"].startswith(f"POST {partner.url}/")
    assert "400" in shown["response"]
    said = dlq(one, "show", "crm")
    assert f"  request    POST {partner.url}/" in said.out
    assert "zoe@example.com" not in said.out


def test_show_takes_the_latest(one: Stage, dlq: Command) -> None:
    for number in range(20):
        put_letter(one, "crm", number, at=AT + number)
    one.flush()
    shown = dlq(one, "show", "--count", 3, "--json").answer
    assert [letter["messageId"] for letter in shown] == ["m17", "m18", "m19"]


def test_a_large_dead_letter_is_shown_in_part_and_as_json_whole(one: Stage, dlq: Command) -> None:
    put_letter(one, "crm", 1, text="x" * 900_000)
    one.flush()
    assert len(dlq(one, "show").out) < 6_000
    (shown,) = dlq(one, "show", "--json").answer
    assert len(shown["event"]["text"]) == 900_000


def test_what_is_no_event_is_shown_and_cannot_move_the_cursor(one: Stage, dlq: Command) -> None:
    put_letter(one, "crm", 1, value=b"\x1b[2Jnot json", code="MESSAGE_REJECTED")
    one.produce(one.topics.dead("crm"), None, None, [("error-code", b"\x1b[2J[/red]\xff")])
    one.flush()
    for command in ("list", "show"):
        said = dlq(one, command)
        assert said.status == 0
        assert "\x1b" not in said.out
        assert "MESSAGE_REJECTED" in said.out
        assert "[/red]" in said.out


def test_without_dead_letters_the_commands_say_so(one: Stage, dlq: Command) -> None:
    assert dlq(one, "list").out.strip() == "no dead letters"
    assert dlq(one, "show").out.strip() == "no dead letters"
    assert dlq(one, "list", "--json").answer == []


def test_up_says_how_many_wait(one: Stage, dlq: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that were redriven do not."""
    running = Running(one.loaded, replace(one.options, embedded=False), "exactly_once")
    announce(running, [one.file])
    assert "dead letters" not in capsys.readouterr().out
    for number in range(5):
        put_letter(one, "crm", number)
    one.flush()
    assert dlq(one, "redrive", "crm", "--id", "m1").status == 0
    announce(running, [one.file])
    line = capsys.readouterr().out.splitlines()[-1]
    assert (
        line
        == f"  dead     crm 4 dead letters; router dlq list --topology {one.file} --bootstrap {one.cluster.bootstrap}"
    )


def test_wrong_usage_is_named(one: Stage, dlq: Command) -> None:
    assert "did you mean crm?" in dlq(one, "list", "crn").err
    assert dlq(one, "list", "crn").status == 1
    assert dlq(one, "list", "--since", "1h", "--until", "2h").status == 2
    assert dlq(one, "list", "--where", "total >").status == 2


def test_a_destination_whose_topics_are_not_yet_made_has_none(one: Stage, dlq: Command) -> None:
    one.write({"crm": WEBHOOK, "new": WEBHOOK})
    assert dlq(one, "list", "new").out.strip() == "no dead letters"


@pytest.mark.kafka
def test_a_sample_is_found_by_its_time_among_many(kafka_stage: Staging, dlq: Command) -> None:
    one = kafka_stage({"crm": WEBHOOK})
    begin = int(time.time() * 1000) - 500 * STEP_MS
    for number in range(500):
        at = begin + number * STEP_MS
        put_letter(one, "crm", number, at=at)
        origin = f"{one.topics.destination('crm')}:0:{number}"
        sample = {"origin": origin, "request": f"POST /{number}", "response": "400"}
        record = {"destination": "crm", "outcome": "dead", "samples": [sample]}
        one.produce(one.topics.delivery_log, orjson.dumps(record), b"crm", None, at)
    one.produce(one.topics.delivery_log, b"not json", b"crm", None, begin + 400 * STEP_MS)
    one.flush()
    (shown,) = dlq(one, "show", "--id", "m400", "--json").answer
    assert shown["request"] == "POST /400"
