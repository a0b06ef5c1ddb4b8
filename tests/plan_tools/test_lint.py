"""Each lint rule finds what it is for, offers the better name, and leaves well-named plans alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from router.plan import load_plan
from router.plan_tools.lint import RULES, LintFinding, lint
from tests.plan.folders import load, make

SHOP = Path(__file__).parent.parent.parent / "schemas/shop"


def findings(folder: Path, files: dict[str, str | bytes]) -> list[LintFinding]:
    return lint(load_plan(make(folder, {"plan.yaml": "name: p\n", **files})))


def events(*names: str) -> dict[str, str | bytes]:
    """A file for each event, in this order."""
    files = {}
    for number, name in enumerate(names):
        files[f"events/{number:02}.yaml"] = yaml.safe_dump({"type": "track", "event": name}, allow_unicode=True)
    return dict(files)


def event(properties: str, head: str = "type: track\nevent: Order Completed\n") -> dict[str, str | bytes]:
    return {"events/a.yaml": f"{head}properties:\n  properties: {properties}\n"}


def of(name: str, found: list[LintFinding]) -> list[str]:
    return [str(each.problem) for each in found if each.rule == name]


@pytest.mark.parametrize(
    ("rule", "names", "hint"),
    [
        ("event-case", ["user_signed_up"], "User Signed Up"),
        ("event-case", ["orderCompleted"], "Order Completed"),
        ("event-case", ["Order completed"], "Order Completed"),
        ("event-object-action", ["Complete Order"], ""),
        ("event-object-action", ["Order"], ""),
        ("event-object-action", ["Clicked Menu"], "Menu Clicked"),
        ("event-dynamic", ["User Signed Up 11-01-2019"], ""),
        ("event-dynamic", ["Order 4711 Completed"], ""),
        ("event-dynamic", ["User 8f14e45fceea167a Viewed"], ""),
        ("event-dynamic", ["Mail ada@example.com Sent"], ""),
        ("event-dynamic", ["Page {name} Opened"], ""),
        ("event-value", ["Blog Post Read - Best Plans"], ""),
        ("event-value", ["Product Viewed: Shirt"], ""),
        ("event-characters", ["Order  Completed"], "Order Completed"),
        ("event-characters", ["Commande Terminée"], ""),
        ("event-unreadable", ["TMDropd Opened"], ""),
        ("event-unreadable", ["Wrkspc Created"], ""),
        ("event-collision", ["Order Completed", "order_completed"], "Order Completed"),
        ("event-collision", ["Order Completed", "Completed Order"], "Order Completed"),
        ("event-family", ["Free Workspace Created", "Team Workspace Created", "Business Workspace Created"], ""),
        ("event-standard", ["Completed Order"], "Order Completed"),
        ("event-standard", ["Order completed"], "Order Completed"),
        ("event-page-viewed", ["Page Viewed"], ""),
        ("event-generic", ["Button Clicked"], ""),
        ("event-own", ["Violation Generated"], ""),
    ],
)
def test_event_names(tmp_path: Path, rule: str, names: list[str], hint: str) -> None:
    (found,) = of(rule, findings(tmp_path, events(*names)))

    assert f"events/{len(names) - 1 if rule == 'event-collision' else 0:02}.yaml:1:8: /event: expected" in found
    assert (f"(did you mean {hint}?)" in found) == bool(hint)


@pytest.mark.parametrize(
    "name",
    ["Signed Up", "Order Completed", "Video Ad Playing", "Email Marked as Spam", "Account Added User", "iOS App Opened",
     "Wishlist Product Added to Cart", "Unsubscribed", "Report Sent", "Step 12 Completed", "QR Code Scanned"],
)  # fmt: skip
def test_good_event_names_pass_every_rule(tmp_path: Path, name: str) -> None:
    allowed: dict[str, str | bytes] = {"plan.yaml": "naming: {allow: [iOS App Opened]}"}

    found = findings(tmp_path, events(name) | (allowed if name.startswith("iOS") else {}))

    assert [each for each in found if each.rule.startswith("event-")] == []


@pytest.mark.parametrize(
    ("rule", "properties", "expected"),
    [
        ("property-case", "{planType: {type: string}}", "4:16: /properties/properties/planType: expected snake"),
        ("property-case", "{Total: {type: number}}", "(did you mean total?)"),
        ("property-case", "{address: {properties: {zipCode: {type: string}}}}", "/address/properties/zipCode"),
        ("property-characters", '{"total billed": {type: string}}', "got a space (did you mean total_billed?)"),
        ("property-characters", '{"a.b": {type: string}}', "got ."),
        ("property-dynamic", "{visits_2024-01-02: {type: string}}", "expected a fixed name, got a date in it"),
        ("property-dynamic", "{feature_1: {type: string}, feature_2: {type: string}}", "array feature, got 2"),
        ("property-collision", "{order_id: {type: string}, orderId: {type: string}}", "is order_id in other letters"),
        ("property-reserved", "{revenue: {type: string}}", "number or integer (revenue is reserved), got string"),
        ("property-reserved", "{products: {type: array, items: {type: string}}}", "expected an array of objects"),
        ("property-column", "{user_id: {type: string}}", "got user_id, a column of every table"),
        ("property-column", "{userId: {type: string}}", "a column of every table"),
        ("property-untyped", "{a: {}}", "expected a type, got none for a"),
        ("property-undescribed", "{a: {type: string}}", "expected a description, got none for a"),
        ("property-context", "{utm_source: {type: string}}", "expected utm_source in the event's context"),
        ("property-money", "{price: {type: string}}", "expected a number (19.99), got string"),
        ("property-money", "{total: {type: number}}", "expected currency beside total, got none"),
        ("property-nested", "{a: {type: object}}", "expected flat properties, got object"),
        ("property-enum", "{a: {type: string, pattern: ^(fall|winter)$}}", "expected enum for a choice of words"),
        ("property-zone", "{paid_at: {type: string}}", "expected format: date-time (or date) for paid_at"),
        ("personal-data", "{email: {type: string}}", "expected a label on the rule"),
        ("names-closed", "{a: {properties: {b: {}}, additionalProperties: false}}", "are found by name"),
    ],
)  # fmt: skip
def test_properties(tmp_path: Path, rule: str, properties: str, expected: str) -> None:
    (found,) = of(rule, findings(tmp_path, event(properties)))

    assert expected in found


@pytest.mark.parametrize(
    ("rule", "properties"),
    [
        ("property-case", "{order_id: {}, createdAt: {}, step2: {}}"),
        ("property-money", "{total: {type: number}, currency: {type: string}, value: {type: integer}}"),
        ("property-reserved", "{revenue: {type: [integer, 'null']}, address: {properties: {revenue: {type: string}}}}"),
        ("property-column", "{address: {properties: {id: {type: string}}}}"),
        ("property-untyped", "{a: {enum: [1]}, b: {anyOf: [{}]}, c: {$ref: '#/properties/a'}}"),
        ("property-dynamic", "{feature_1: {}, address2: {}, sha256: {}}"),
        ("property-zone", "{paid_at: {type: string, format: date}, created_at: {type: integer}}"),
    ],
)
def test_good_properties_pass(tmp_path: Path, rule: str, properties: str) -> None:
    assert of(rule, findings(tmp_path, event(properties))) == []


def test_a_type_that_differs_names_the_other_file(tmp_path: Path) -> None:
    files = event("{total: {type: number}, position: {type: string}, a: {properties: {total: {type: string}}}}")
    files["events/b.yaml"] = (
        "type: track\nevent: Order Updated\n"
        "properties: {properties: {total: {type: string}, position: {type: number}, n: {type: integer}}}"
    )
    files["common.yaml"] = "properties: {properties: {n: {type: number}}}"
    files["identify.yaml"] = "traits: {properties: {total: {type: string}}}"

    (found,) = of("property-types-differ", findings(tmp_path, files))

    assert (
        "events/b.yaml:3:34: /properties/properties/total: expected the type that total has in events/a.yaml" in found
    )


def test_traits_and_groups_have_their_own_reserved_names(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        {
            "identify.yaml": "traits: {required: [email], properties: {age: {type: string}, id: {type: integer}}}",
            "group.yaml": "traits: {properties: {employees: {type: array}}}",
        },
    )

    assert len(of("property-reserved", found)) == 2
    assert of("property-column", found) == []
    assert len(of("traits-required", found)) == 1


def test_files_are_looked_at(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        {
            "events/a.2.yaml": "type: track\nevent: Order Completed\nversion: 3\nproperties: {$ref: ../defs/x.yaml}\n",
            "defs/x.yaml": "$defs: {y: {$ref: y.yaml}}\n$ref: '#/$defs/y'",
            "defs/y.yaml": "type: object",
            "defs/z.yaml": "$ref: '#/$defs/a'\n$defs: {a: {type: object}}",
        },
    )

    assert len(of("file-version", found)) == 1
    assert of("unused-definition", found)[0].endswith("expected a rule that refers to defs/z.yaml, got none")
    assert len(of("unused-definition", found)) == 1
    assert len(of("rule-undescribed", found)) == 1
    assert len(of("rule-examples", found)) == 1


def test_conventions_and_levels_are_the_plan_s(tmp_path: Path) -> None:
    plan = """naming:
  events: snake
  properties: camel
  synonyms: {cart: [basket]}
  rules: {event-object-action: error, event-synonym: info, property-untyped: "off"}
"""
    files = event("{orderId: {}, order_no: {}}", "type: track\nevent: basket viewed\n") | {"plan.yaml": plan}

    levels = {each.rule: each.level for each in findings(tmp_path, files)}

    assert levels["event-case"] == "warning"
    assert "property-untyped" not in levels
    assert "event-object-action" not in levels
    assert [each.problem.hint for each in findings(tmp_path, files) if each.rule == "property-case"] == ["orderNo"]
    assert levels["event-synonym"] == "info"


def test_any_casing_may_be_asked_for(tmp_path: Path) -> None:
    plan: dict[str, str | bytes] = {"plan.yaml": "naming: {events: any, properties: any}"}

    found = findings(tmp_path, event("{A_bC: {type: string}}", "type: track\nevent: oRder completed\n") | plan)

    assert not {"event-case", "property-case"} & {each.rule for each in found}


def test_allowed_names_are_left_alone(tmp_path: Path) -> None:
    plan: dict[str, str | bytes] = {"plan.yaml": "naming: {allow: [order_done, orderNo]}"}

    found = findings(tmp_path, event("{orderNo: {}}", "type: track\nevent: order_done\n") | plan)

    assert {each.rule for each in found} <= {"rule-undescribed", "rule-examples"}


def test_an_unknown_rule_is_an_error_with_the_nearest(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, {"plan.yaml": "naming: {rules: {event-cas: error}}"})

    assert (found.level, found.rule) == ("error", "unknown-rule")
    assert "plan.yaml:1:18: /naming/rules/event-cas" in str(found.problem)
    assert found.problem.hint == "event-case"


def test_the_shop_has_nothing_to_find() -> None:
    assert lint(load_plan(SHOP)) == []


def test_a_finding_as_an_object_has_level_rule_and_place(tmp_path: Path) -> None:
    (found,) = (each for each in lint(load(tmp_path, events("order_done"))) if each.rule == "event-case")

    assert found.as_dict() == {
        "level": "warning",
        "rule": "event-case",
        "file": str(tmp_path / "events/00.yaml"),
        "line": 1,
        "column": 8,
        "path": "/event",
        "message": "expected Title Case (Order Completed), got order_done",
        "hint": "Order Done",
    }


def test_every_rule_says_what_it_asks() -> None:
    assert all(rule.summary and rule.level in ("error", "warning", "info") for rule in RULES.values())
