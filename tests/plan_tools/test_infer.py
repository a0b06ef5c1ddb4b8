"""A draft from events describes what was seen: all of it conforms, and nothing personal is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.embedded.broker import EmbeddedBroker
from router.plan import Plan, compile_plan
from router.plan_tools.infer import Inference, InferenceSettings
from router.plan_tools.infer.events import bodies
from tests.cli.lines import Line
from tests.cli.test_tap import fill
from tests.plan_tools.folders import on_disk
from tests.plan_tools.strategies import VALUES


def track(**properties: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "userId": "u", "properties": properties}


def drafted(*events: dict[str, Any] | None, settings: InferenceSettings | None = None) -> Plan:
    inference = Inference(settings)
    for event in events:
        inference.add(event)
    return inference.plan("draft").plan


def schema(plan: Plan, name: str = "Order Completed") -> dict[str, Any]:
    (rule,) = plan.versions("track", name)
    found = rule.schemas["properties"]
    assert isinstance(found, dict)
    return found


def test_types_formats_enums_and_what_is_always_there(tmp_path: Path) -> None:
    events = [
        track(
            order_id=f"o-{number}",
            total=[1, 2.5][number % 2],
            quantity=number,
            currency=["EUR", "USD"][number % 2],
            placed_at="2026-01-01T00:00:00Z",
            email=f"a{number}@shop.example",
            session="0b0e7a52-8a3f-4c1b-9d2e-000000000001",
            products=[{"sku": "x"}, {"sku": None}],
            **({"coupon": "SPRING"} if number % 2 else {}),
        )
        for number in range(20)
    ]
    plan = on_disk(drafted(*events), tmp_path / "plan")
    found = schema(plan)

    assert found["required"] == [
        *("order_id", "total", "quantity", "currency", "placed_at", "email", "session", "products"),
    ]
    properties = {name: {**inner} for name, inner in found["properties"].items()}
    assert {inner.pop("x-seen") for inner in properties.values()} == {10, 20}
    assert properties["total"] == {"type": "number"}
    assert properties["quantity"] == {"type": "integer"}
    assert properties["currency"] == {"type": "string", "enum": ["EUR", "USD"]}
    assert properties["order_id"] == {"type": "string"}
    assert properties["placed_at"] == {"type": "string", "format": "date-time"}
    assert properties["email"] == {"type": "string", "format": "email"}
    assert properties["session"]["pattern"].startswith("^[0-9a-fA-F]{8}-")
    assert properties["products"]["items"]["properties"]["sku"]["type"] == ["string", "null"]
    assert found["properties"]["coupon"]["x-seen"] == 10
    (rule,) = plan.versions("track", "Order Completed")
    assert (rule.description, rule.labels) == ("Seen 20 times", {"personal-data": "yes"})


def test_the_share_that_makes_a_property_required_can_be_chosen() -> None:
    events = [track(a=1, **({"b": 1} if number else {})) for number in range(10)]

    assert schema(drafted(*events))["required"] == ["a"]
    assert schema(drafted(*events, settings=InferenceSettings(required=0.9)))["required"] == ["a", "b"]


def test_samples_are_masked_and_hold(tmp_path: Path) -> None:
    secret = {"name": "Ada Lovelace", "email": "ada@home.example", "age": 36, "note": "call 555-1234", "plan": "plus"}
    plan = drafted(
        *[{"type": "identify", "userId": "u", "traits": {**secret, "plan": p}} for p in ("plus", "free") * 4]
    )
    text = str(on_disk(plan, tmp_path / "plan"))

    assert not [value for value in ("Ada", "ada@home", "36", "555") if value in text]
    (rule,) = plan.versions("identify")
    assert {"name": "***", "email": "someone@example.com", "age": 1, "note": "***", "plan": "plus"} in [
        example.value for example in rule.examples
    ]
    assert not isinstance(rule.schemas["traits"], bool)
    assert "required" not in rule.schemas["traits"]


def test_names_made_at_run_time_are_told_and_not_kept() -> None:
    inference = Inference()
    inference.add({"type": "track", "event": "Seen 2020-01-01", "userId": "u"})
    inference.add(track(**{f"user-{number}@shop.example": number for number in range(3)}))
    inference.add(track())
    inference.add(None)
    inference.add({"type": "track", "userId": "u"})

    inferred = inference.plan("p")

    assert dict(inferred.left_out) == {
        "an event name made at run time (a date)": 1,
        "not an event": 1,
        "a track call without a name": 1,
    }
    assert schema(inferred.plan)["additionalProperties"] is True
    assert "properties" not in schema(inferred.plan)


def test_versions_and_call_types_have_rules_of_their_own() -> None:
    second = {**track(a="x"), "context": {"protocols": {"event_version": 2}}}
    plan = drafted(
        track(a=1),
        second,
        {"type": "page", "userId": "u", "name": "Home", "properties": {"path": "/"}},
        {"type": "group", "userId": "u", "groupId": "g", "traits": {"employees": 3}},
        {"type": "alias", "userId": "u", "previousId": "v"},
    )

    assert {(rule.type, rule.name, rule.version) for rule in plan.rules} == {
        ("track", "Order Completed", 1),
        ("track", "Order Completed", 2),
        ("page", None, 1),
        ("group", None, 1),
    }


PROPERTIES = st.dictionaries(
    st.sampled_from(("a", "b", "plan", "total", "email", "x y")),
    VALUES | st.sampled_from(("2026-01-01", "2026-99-99", "a@b.example", "https://a.example/", "red", "blue")),
    max_size=4,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(PROPERTIES, min_size=1, max_size=12))
def test_every_event_that_was_seen_conforms(seen: list[dict[str, Any]]) -> None:
    events = [track(**properties) for properties in seen]
    plan = compile_plan(drafted(*events))

    for event in events:
        assert plan.find(event).is_valid(event)


@pytest.mark.parametrize(
    "content",
    [
        b'{"type": "page", "userId": "1"}\n\n{"type": "page", "userId": "2"}\n',
        b'[{"type": "page", "userId": "1"}, {"type": "page", "userId": "2"}]',
        b'[\n  {"type": "page", "userId": "1"},\n  {"type": "page", "userId": "2"}\n]\n',
        b'{"batch": [{"type": "page", "userId": "1"}, {"type": "page", "userId": "2"}]}',
        b'{\n  "batch": [{"type": "page", "userId": "1"}, {"type": "page", "userId": "2"}]\n}',
    ],
)
def test_events_are_read_in_any_form(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "events"
    file.write_bytes(content)

    assert [body["userId"] if body else None for body in bodies(file)] == ["1", "2"]


def test_lines_that_are_no_events_do_not_stop_the_reading(tmp_path: Path) -> None:
    file = tmp_path / "events"
    file.write_bytes(b'junk\n{"type": "page", "userId": "1"}\n3\n\xff\n')

    assert [body and body["userId"] for body in bodies(file)] == [None, "1", None, None]


def test_the_command_writes_a_draft_and_counts(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join(orjson.dumps(track(a=number)) for number in range(3)) + b"\nnope\n")
    to = tmp_path / "plan"

    ended = line("plan", "infer", file, "--to", to, "--json")
    assert (ended.status, ended.answer["events"], ended.answer["rules"]) == (0, 3, 1)
    assert ended.answer["left_out"] == {"not an event": 1}
    assert line("plan", "lint", to).status == 0
    assert line("plan", "test", to).status == 0
    assert line("plan", "infer", file, "--to", to).status == 1
    assert line("plan", "infer", file, "--to", to, "--force").status == 0
    assert line("plan", "infer", "--to", to).status == 2
    assert line("plan", "infer", tmp_path / "none", "--to", to, "--force").status == 1


def test_the_command_reads_a_topic(line: Line, tmp_path: Path, embedded: EmbeddedBroker, unique: str) -> None:
    fill(embedded, unique, [orjson.dumps(track(a=number)) for number in range(5)])

    ended = line("plan", "infer", "--topic", unique, "--bootstrap", embedded.bootstrap, "--to", tmp_path / "plan")

    assert ended.status == 0, ended.err
    assert "1 rules from 5 events" in ended.out
