"""`router plan lint|test|check`: statuses, texts and JSON as the contract spells them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.lines import Line
from tests.plan.folders import FILES, ORDER, make

SHOP = Path(__file__).parent.parent.parent.parent / "schemas/shop"
USER = {"userId": "u1"}
GOOD = {"type": "track", "messageId": "m1", "event": "Order Completed", "properties": {"order_id": "1", "total": 9.5}}
BAD = {"type": "track", "messageId": "m2", "event": "Order Completed", "properties": {"order_id": "1", "totl": "x"}}


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    return make(tmp_path / "shop", FILES)


def events(folder: Path, *bodies: Any, text: str | None = None) -> Path:
    path = folder / "events.ndjson"
    path.write_text("\n".join(map(json.dumps, bodies)) if text is None else text, "utf-8")
    return path


def test_lint_of_a_good_plan_says_so(line: Line) -> None:
    ended = line("plan", "lint", SHOP)

    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"{SHOP}: 10 rules, 0 errors, 0 warnings\n"


def test_lint_names_file_line_and_pointer_of_a_schema_error(line: Line, plan: Path) -> None:
    make(plan, {"events/bad.yaml": "type: track\nevent: A B\nproperties: {total: {type: number}}\n"})

    ended = line("plan", "lint", plan)

    assert ended.status == 1
    assert f"{plan}/events/bad.yaml:3:14: /properties/total: expected a keyword of draft-07, got total" in ended.out


def test_lint_of_names(line: Line, plan: Path) -> None:
    """Warnings alone end with 0, with --strict with 1; an error ends with 1; info is shown when asked for."""
    warned = line("plan", "lint", plan)
    strict = line("plan", "lint", plan, "--strict")
    every = line("plan", "lint", plan, "--all")
    make(plan, {"events/order.yaml": "type: track\nevent: Order 4711 Completed\n"})
    wrong = line("plan", "lint", plan)

    assert (warned.status, strict.status, every.status, wrong.status) == (0, 1, 0, 1)
    assert "warning: " in warned.out
    assert "expected currency beside total, got none [property-money]" in warned.out
    assert "info: " not in warned.out
    assert "info: " in every.out
    assert f"error: {plan}/events/order.yaml:2:8: /event: expected a fixed name" in wrong.out
    assert wrong.out.endswith(f"\n{plan}: 2 rules, 1 error, 1 warning\n")


def test_lint_as_json(line: Line, plan: Path) -> None:
    named = json.loads(line("plan", "lint", plan, "--json").out)
    make(plan, {"events/bad.yaml": "type: trak\n"})
    refused = line("plan", "lint", plan, "--json")

    assert named["errors"] == []
    assert [(each["rule"], each["line"], each["path"]) for each in named["warnings"]] == [
        ("property-money", 8, "/properties/properties/total")
    ]
    assert refused.status == 1
    (error,) = json.loads(refused.out)["errors"]
    assert (error["line"], error["column"], error["path"], error["hint"]) == (1, 7, "/type", "track")


@pytest.mark.parametrize("command", ["lint", "test"])
def test_a_folder_that_is_no_plan_ends_with_1(line: Line, tmp_path: Path, command: str) -> None:
    ended = line("plan", command, tmp_path)

    assert ended.status == 1
    assert "expected a tracking plan" in ended.out + ended.err


def test_wrong_usage_ends_with_2(line: Line) -> None:
    assert line("plan", "lint").status == 2
    assert line("plan", "check", SHOP).status == 2


def test_test_runs_the_examples(line: Line, plan: Path) -> None:
    good = line("plan", "test", SHOP)
    examples = "examples: {valid: [{order_id: '1'}, {order_id: '1', total: 1}]}"
    make(plan, {"events/order-completed.yaml": ORDER + examples})
    bad = line("plan", "test", plan)
    as_json = json.loads(line("plan", "test", plan, "--json").out)

    assert (good.status, good.err) == (0, "")
    assert good.out.startswith(f"{SHOP}: ")
    assert bad.status == 1
    assert "order-completed.yaml:10:20: /examples/valid/0: expected an example that conforms" in bad.out
    assert bad.out.endswith(f"\n{plan}: 2 examples, 1 failed\n")
    assert (as_json["examples"], as_json["failed"], len(as_json["errors"])) == (2, 1, 1)


def test_check_answers_one_line_an_event(line: Line, plan: Path, tmp_path: Path) -> None:
    ended = line("plan", "check", plan, events(tmp_path, GOOD, BAD), "--json")

    assert ended.status == 1
    assert [json.loads(text) for text in ended.out.splitlines()] == [
        {
            "messageId": "m1",
            "type": "track",
            "event": "Order Completed",
            "outcome": "allowed",
            "violations": [],
            "refused": "no_id",
        },
        {
            "messageId": "m2",
            "type": "track",
            "event": "Order Completed",
            "outcome": "blocked",
            "violations": [
                {
                    "type": "Required",
                    "path": "/properties/total",
                    "message": "expected this property, which is required, got none",
                },
                {
                    "type": "Unplanned Property",
                    "path": "/properties/totl",
                    "message": "expected a planned property, got another name (did you mean total?)",
                    "value": '"x"',
                },
            ],
            "refused": "no_id",
        },
    ]


def test_check_says_in_words_what_to_change(line: Line, plan: Path, tmp_path: Path) -> None:
    path = events(tmp_path, USER | GOOD, USER | BAD, {"type": "track", "event": "order completed"})

    ended = line("plan", "check", plan, path)

    assert ended.status == 1
    assert ended.out.splitlines() == [
        f"{path}:1: Order Completed: allowed",
        f"{path}:2: Order Completed: blocked",
        "  /properties/total: expected this property, which is required, got none; add total",
        '  /properties/totl = "x": expected a planned property, got another name (did you mean total?); '
        "rename totl to total",
        f"{path}:3: order completed: blocked; the gateway would refuse it: neither `userId` nor `anonymousId` [no_id]",
        '  /event = "order completed": expected a planned event, got another name (did you mean Order Completed?); '
        "send event 'Order Completed'",
        "by event:",
        "  order completed: 1 event: 0 allowed, 1 blocked (1 × /event Unplanned Event), 1 refused by the gateway",
        "  Order Completed: 2 events: 1 allowed, 1 blocked "
        "(1 × /properties/total Required; 1 × /properties/totl Unplanned Property)",
        "3 events: 1 allowed, 2 blocked, 1 refused by the gateway",
    ]


def test_check_masks_values_as_the_topologies_say(
    line: Line, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those in topologies/, or those that are named; passwords and the like in any case."""
    make(tmp_path, {"topologies/shop.yaml": "mask: [Nick-Name]\n", "other.yaml": "mask: [totl]\nname: x\n"})
    wrong = {"order_id": "1", "total": 1, "nickName": "ann", "totl": "é" * 80, "deep": {"password": "hunter22"}}
    path = events(tmp_path, USER | GOOD | {"properties": wrong})
    monkeypatch.chdir(tmp_path)

    found, named = line("plan", "check", plan, path).out, line("plan", "check", plan, path, "--topology", "other.yaml")

    assert "/properties/nickName = ***: " in found
    assert f'/properties/totl = "{"é" * 59}…: ' in found
    assert '/properties/deep = {"password":"***"}: ' in found
    assert '/properties/nickName = "ann": ' in named.out
    assert "/properties/totl = ***: " in named.out


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"userId": "u1"}, None),
        ({}, "no_id"),
        ({"userId": "u1", "messageId": "m" * 200}, "message_id_too_long"),
        ({"userId": "u1", "context": {"page": {"title": "x" * 40_000}}}, "too_large"),
        ({"userId": [1]}, "bad_id"),
    ],
)
def test_check_says_what_the_gateway_would_refuse_whatever_the_plan_says(
    line: Line, plan: Path, tmp_path: Path, body: dict[str, Any], refused: str | None
) -> None:
    path = events(tmp_path, GOOD | body)

    ended, shown = line("plan", "check", plan, path, "--json"), line("plan", "check", plan, path, "--format", "github")

    assert json.loads(ended.out)["refused"] == refused
    assert (ended.status, shown.status) == (0, 0)
    assert (f"title={refused}::(root): the gateway would refuse it" in shown.out) == bool(refused)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        json.dumps(GOOD, indent=2),
        json.dumps([GOOD]),
        json.dumps({"batch": [GOOD], "sentAt": "2026-01-01T00:00:00Z"}),
        f"\n{json.dumps(GOOD)}\n\n",
        "\ufeff" + json.dumps(GOOD),
        json.dumps({**GOOD, "traits": None, "context": None}),
    ],
    ids=["one", "indented", "list", "batch", "lines", "bom", "nulls"],
)
def test_check_reads_events_as_people_have_them(line: Line, plan: Path, tmp_path: Path, text: str) -> None:
    ended = line("plan", "check", plan, events(tmp_path, text=text), "--json")

    assert ended.status == 0
    assert [json.loads(each)["outcome"] for each in ended.out.splitlines()] == ["allowed"]


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("{x", "", "expected JSON, got an error"),
        ("[1]", "", "expected an event (a JSON object), got another value"),
        ('{"type": "trak"}', "/type", "expected one of identify, track"),
        ("{}", "/type", "expected one of identify, track"),
        ('{"type": "track"}', "/event", "expected the event's name, got none"),
        ('{"type": "track", "event": 5}', "/event", "expected the event's name, got none"),
        ('{"type": "track", "event": "A", "properties": [1]}', "/properties", "expected an object, got another value"),
    ],
)
def test_what_is_no_event_is_blocked_and_takes_no_neighbour(
    line: Line, plan: Path, tmp_path: Path, text: str, path: str, message: str
) -> None:
    ended = line(
        "plan", "check", plan, events(tmp_path, text=f"{json.dumps(GOOD)}\n{text}\n{json.dumps(GOOD)}"), "--json"
    )

    first, wrong, last = map(json.loads, ended.out.splitlines())
    assert (first["outcome"], wrong["outcome"], last["outcome"]) == ("allowed", "blocked", "allowed")
    (violation,) = wrong["violations"]
    assert (violation["type"], violation["path"]) == ("Invalid", path)
    assert violation["message"].startswith(message)


def test_check_takes_several_files_and_the_standard_input(
    line: Line, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(GOOD).encode())))

    ended = line("plan", "check", plan, events(tmp_path, GOOD), "-")

    assert ended.status == 0
    assert ended.out.endswith("\n2 events: 2 allowed, 0 blocked, 2 refused by the gateway\n")


@pytest.mark.parametrize("text", [None, "", "\n"])
def test_a_file_without_events_ends_with_1(line: Line, plan: Path, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "missing.json" if text is None else events(tmp_path, text=text)

    ended = line("plan", "check", plan, path)

    assert ended.status == 1
    assert f"{path}: (root): expected" in ended.out


def test_names_of_pages_are_names_and_other_calls_have_none(line: Line, tmp_path: Path) -> None:
    path = events(tmp_path, {"type": "page", "name": "Home"}, {"type": "identify"}, {"type": "page"})

    ended = line("plan", "check", SHOP, path, "--json")

    assert [json.loads(text)["event"] for text in ended.out.splitlines()] == ["Home", None, None]
