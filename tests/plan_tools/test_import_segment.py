"""Segment's three JSON shapes become the same kind of plan, and events pass or fail as they did there."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.errors import FileError
from router.plan.model import Plan
from router.plan_tools.importers import import_plan
from tests.plan_tools.folders import FILES, compiled, found, imported, on_disk, warnings

REQUIRED, TYPE, UNPLANNED = "Required", "Type", "Unplanned Property"


@pytest.fixture
def config_api(tmp_path: Path) -> Plan:
    result = imported("segment/config_api.json")
    assert (result.format.name, warnings(result)) == ("segment-config", [])
    return on_disk(result.plan, tmp_path / "plan")


def test_the_config_apis_export_keeps_names_versions_and_labels(config_api: Plan) -> None:
    assert config_api.name == "Acme web"
    rules = {(rule.type, rule.name, rule.version) for rule in config_api.rules}
    expected = {("track", "Order Completed", 1), ("track", "Order Completed", 2), ("track", "Signed Out", 1)}
    assert rules == expected | {("identify", None, 1)}
    first, second = config_api.versions("track", "Order Completed")
    assert (first.description, first.labels) == ("The customer paid", {"team": "growth"})
    assert first.file == "events/order-completed.yaml"
    assert second.file == "events/order-completed.2.yaml"


def test_the_config_apis_export_enforces_what_segment_does(config_api: Plan) -> None:
    plan = compiled(config_api)
    app = {"app": {"version": "1"}}
    good = {"orderId": "1", "total": None, "paidAt": "2026-01-01T00:00:00Z", "note": [1], "items": [{"sku": "AB-1"}]}

    assert found(plan, event="Order Completed", context=app, properties=good) == []
    assert found(plan, event="Order Completed", context=app) == [(REQUIRED, "/properties/orderId")]
    assert found(plan, event="Order Completed", properties=good) == [(REQUIRED, "/context/app")]
    wrong = {"orderId": 1, "paidAt": "soon", "items": [{"sku": "x"}, {}], "colour": "red"}
    assert found(plan, event="Order Completed", context=app, properties=wrong) == [
        ("Format", "/properties/paidAt"),
        ("Pattern", "/properties/items/0/sku"),
        (REQUIRED, "/properties/items/1/sku"),
        (TYPE, "/properties/orderId"),
        (UNPLANNED, "/properties/colour"),
    ]
    newer = {**app, "protocols": {"event_version": 2}}
    assert found(plan, event="Order Completed", context=newer, properties={"orderId": "1", "currency": "GBP"}) == [
        ("Enum", "/properties/currency")
    ]
    assert found(plan, event="Order Complete", context=app) == [("Unplanned Event", "/event")]


def test_an_event_that_plans_no_property_allows_none(config_api: Plan) -> None:
    plan = compiled(config_api)
    app = {"app": {"version": "1"}}

    assert found(plan, event="Signed Out", context=app) == []
    assert found(plan, event="Signed Out", context=app, properties={"a": 1}) == [(UNPLANNED, "/properties/a")]


def test_lists_of_traits_of_older_exports_are_read(tmp_path: Path) -> None:
    result = imported("segment/config_api_traits.json")
    plan = compiled(on_disk(result.plan, tmp_path / "plan"))

    assert warnings(result) == []
    assert found(plan, type="identify", traits={"email": 1, "age": 3}) == [(TYPE, "/traits/email")]
    assert found(plan, type="identify", traits={}) == [(REQUIRED, "/traits/age")]
    assert found(plan, type="group", traits={"employees": None, "city": "x"}) == [(UNPLANNED, "/traits/city")]


def test_older_drafts_and_habits_mean_the_same(tmp_path: Path) -> None:
    plan = compiled(on_disk(imported("segment/draft04.json").plan, tmp_path / "plan"))

    def wrong(**properties: object) -> list[tuple[str, str]]:
        faults = found(plan, event="Game Ended", properties={"loud": True, **properties})
        return [(kind, place.removeprefix("/properties/")) for kind, place in faults]

    assert wrong(score=10, step=15, players=[{"name": "a"}], winner={"name": "b"}, level=[1], mood=None) == []
    assert wrong(score=0) == [("Exclusive Minimum", "score")]
    assert wrong(score=10.5) == [("Maximum", "score")]
    assert wrong(step=7) == [("Multiple Of", "step")]
    assert wrong(players=[{}], winner={}) == [(REQUIRED, "players/0/name"), (REQUIRED, "winner/name")]
    assert wrong(nick="a1") == []
    assert wrong(nick="abc") == [("Pattern", "nick")]
    assert wrong(nick="admin1") == [("Not", "nick")]
    assert wrong(session="no") == [("Pattern", "session")]
    assert wrong(link="shop") == [("Format", "link")]
    assert wrong(mood="fine") == [("Enum", "mood")]
    assert found(plan, event="Game Ended", properties={}) == [(REQUIRED, "/properties/loud")]


def test_what_cannot_be_said_is_kept_aside_and_told() -> None:
    result = imported("segment/draft04.json")
    told = {line.split(": ")[1].removeprefix("Game Ended/properties/properties/") for line in warnings(result)}

    assert told == {"nick/pattern", "code/pattern", "slow/pattern", "colour/format", "far/$ref", "odd/type", "hint/tip"}
    (rule,) = result.plan.rules
    schema = rule.schemas["properties"]
    assert isinstance(schema, dict)
    assert schema["properties"]["slow"] == {"type": "string", "x-pattern": "^(a+)+$"}
    assert schema["properties"]["far"] == {"x-ref": "http://example.com/other.json"}
    assert schema["properties"]["odd"] == {"x-type": "strange"}
    assert schema["properties"]["hint"] == {"type": "string", "x-tip": True}


def test_a_typewriter_file_is_told_from_its_content(tmp_path: Path) -> None:
    result = imported("segment/typewriter.json")
    plan = compiled(on_disk(result.plan, tmp_path / "plan"))

    assert (result.format.name, result.plan.name) == ("segment-typewriter", "Typewriter plan")
    assert found(plan, event="Feed Viewed", properties={"feedType": "home", "count": 2}) == []
    assert found(plan, event="Feed Viewed", properties={"feedType": "other"}) == [("Pattern", "/properties/feedType")]
    assert result.plan.naming.properties == "camel"


def test_names_that_break_a_lint_rule_only_warn_in_an_imported_plan() -> None:
    result = imported("segment/typewriter.json")

    assert result.plan.naming.rules == {"property-column": "warning"}
    assert [line for line in warnings(result) if "property-column" in line]


def test_the_public_api_gives_plan_and_rules_in_two_files(tmp_path: Path) -> None:
    result = imported("segment/public_rules.json", "segment/public_plan.json")
    read = on_disk(result.plan, tmp_path / "plan")
    plan = compiled(read)

    assert (read.name, read.description) == ("Public plan", "From the Public API")
    assert sorted(rule.type for rule in read.rules) == ["group", "identify", "page", "screen", "track"]
    assert found(plan, event="Video Started", properties={}) == [(REQUIRED, "/properties/video_id")]
    assert found(plan, type="page", properties={"path": 1}) == [(TYPE, "/properties/path")]
    assert found(plan, type="identify", context={"locale": 1}) == [(TYPE, "/context/locale")]
    assert any("got a page with more after it" in line for line in warnings(result))


def test_terraforms_schemas_are_text(tmp_path: Path) -> None:
    result = imported("segment/terraform.json")
    plan = compiled(on_disk(result.plan, tmp_path / "plan"))

    assert (result.plan.name, warnings(result)) == ("Terraform plan", [])
    assert found(plan, event="Video Paused", anonymousId="a", properties={"position": 1.5}) == [
        (TYPE, "/properties/position")
    ]
    assert found(plan, event="Video Paused", properties={"position": 1}) == [(REQUIRED, "/anonymousId")]


def test_a_schema_that_is_no_json_is_told(tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_bytes(orjson.dumps([{"type": "TRACK", "key": "A B", "json_schema": "{"}]))

    result = import_plan([file])

    assert [rule.name for rule in result.plan.rules] == ["A B"]
    assert "expected a JSON Schema as JSON text" in str(result.warnings[0])


def test_the_same_event_twice_is_told_and_the_first_stands(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    event = {"name": "A B", "rules": {"type": "object"}}
    other = {"name": "A B", "rules": {"type": "object", "required": ["userId"]}}
    file.write_bytes(orjson.dumps({"name": "p", "events": [event, other, {"name": ""}, 3]}))

    result = import_plan([file])

    assert len(result.plan.rules) == 1
    assert sorted((warning.path, warning.message) for warning in result.warnings) == [
        ("/events/2", "expected an event with a name, got none; left out"),
        ("/events/3", "expected an event with a name, got none; left out"),
        ("A B", "expected version 1 once, got it again with other content; the first is kept"),
    ]


def test_files_of_two_formats_are_refused() -> None:
    with pytest.raises(FileError) as caught:
        imported("segment/typewriter.json", "rudderstack/newer.json")

    assert len(caught.value.problems) == 2
    assert all("expected files of one format" in problem.message for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", "expected JSON"),
        (b"[" * 100 + b"]" * 100, "expected at most 64 levels"),
        (b"{}", "expected one of these: "),
        (b"[]", "expected one of these: "),
        (b"PK\x03\x04rest", "save the sheet as CSV"),
        (b'{"name": "\xff"}', "expected UTF-8 text"),
    ],
)
def test_files_that_hold_no_plan_are_refused_with_a_reason(tmp_path: Path, content: bytes, expected: str) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)

    with pytest.raises(FileError) as caught:
        import_plan([file])

    assert expected in str(caught.value)


def test_every_file_is_used(tmp_path: Path) -> None:
    assert {path.relative_to(FILES).parts[0] for path in FILES.rglob("*.*")} == {
        "segment",
        "rudderstack",
        "rudder_project",
        "rudder_project_legacy",
        "sheets",
    }


KEYWORDS = (
    *("type", "properties", "required", "items", "allOf", "anyOf", "not", "if", "then", "enum", "const", "pattern"),
    *("format", "minimum", "exclusiveMinimum", "$ref", "definitions", "additionalProperties", "patternProperties"),
    *("dependencies", "$schema", "id", "key", "nullable", "context", "x", "y"),
)
WORDS = st.sampled_from(KEYWORDS)
TEXTS = (
    *("string", "number", "object", "any", "null", "^a$", "(", "^(?!a)b|c", "uuid", "url", ""),
    *("#/properties/properties", "#/definitions/x", "http://json-schema.org/draft-04/schema#"),
    "https://json-schema.org/draft/2020-12/schema",
)
SCALARS = st.sampled_from(TEXTS) | st.none() | st.booleans() | st.integers(-2, 2)
SCHEMAS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=25
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(schema=SCHEMAS, inner=SCHEMAS)
def test_whatever_a_schema_holds_the_plan_that_comes_out_loads(tmp_path: Path, schema: object, inner: object) -> None:
    file = tmp_path / "plan.json"
    rules = {"type": "object", "properties": {"properties": inner}}
    events = [{"name": "A B", "rules": rules}, {"name": "C D", "rules": schema}]
    file.write_bytes(
        orjson.dumps({"display_name": "p", "rules": {"events": events, "global": schema, "identify": rules}})
    )

    result = import_plan([file])

    compiled(result.plan)
    assert {"A B", "C D"} <= {rule.name for rule in result.plan.rules}
