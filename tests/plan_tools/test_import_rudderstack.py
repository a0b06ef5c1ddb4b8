"""RudderStack's JSON and its YAML project become plans; open and closed objects stay what they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.errors import FileError
from router.plan import CompiledPlan
from router.plan.model import Plan
from router.plan_tools.importers import import_plan
from tests.plan_tools.folders import FILES, compiled, found, imported, on_disk, warnings

REQUIRED, TYPE, UNPLANNED = "Required", "Type", "Unplanned Property"


def test_the_legacy_form(tmp_path: Path) -> None:
    result = imported("rudderstack/legacy.json")
    plan = compiled(on_disk(result.plan, tmp_path / "plan"))

    assert (result.format.name, result.plan.name, warnings(result)) == ("rudderstack", "Legacy shop", [])
    assert found(plan, event="Product Clicked", properties={"name": "Shirt", "price": 1}) == []
    assert found(plan, event="Product Clicked", properties={"name": 1, "colour": "red"}) == [
        (TYPE, "/properties/name"),
        (UNPLANNED, "/properties/colour"),
    ]
    assert found(plan, type="identify", traits={}) == [(REQUIRED, "/traits/email")]
    assert found(plan, type="group", traits={"anything": 1}) == []


def test_an_object_that_was_open_stays_open(tmp_path: Path) -> None:
    plan = compiled(on_disk(imported("rudderstack/legacy.json").plan, tmp_path / "plan"))

    assert found(plan, event="Anything Sent", properties={"a": "x", "b": 1}) == []
    assert found(plan, event="Product Clicked", properties={"name": "x", "extra": {"a": "x", "b": 1}}) == []


def test_the_newer_form(tmp_path: Path) -> None:
    result = imported("rudderstack/newer.json")
    plan = compiled(on_disk(result.plan, tmp_path / "plan"))

    assert result.plan.name == "Newer shop"
    assert found(plan, event="Fruit Bought", properties={"kind": "apple"}) == [(REQUIRED, "/properties/count")]
    assert found(plan, event="Fruit Bought", properties={"kind": "pear", "pair": ["a", 1]}) == []
    assert found(plan, event="Fruit Bought", properties={"kind": "pear", "pair": [1, 1]}) == [
        (TYPE, "/properties/pair/0")
    ]
    assert found(plan, event="Fruit Bought", properties={"kind": "pear", "pair": ["a", 1, 2]}) != []
    assert found(plan, type="group", traits={"company": "c", "x": 1}) == [(UNPLANNED, "/traits/x")]
    assert found(plan, type="page", name="Home", properties={"path": 1, "more": 1}) == [(TYPE, "/properties/path")]
    assert len(warnings(result)) == 1
    assert "expected a call type that has rules" in warnings(result)[0]


@pytest.fixture
def project(tmp_path: Path) -> Plan:
    return on_disk(imported("rudder_project").plan, tmp_path / "plan")


def test_a_project_is_read_as_a_whole_folder(project: Plan) -> None:
    assert (project.name, project.description) == ("Project plan", "What the shop sends")
    (rule,) = project.versions("track", "Order Completed")
    assert (rule.description, rule.labels) == ("The customer paid", {"category": "Checkout"})
    assert set(project.defs) == {"defs/custom-types.yaml"}


def test_what_a_project_refers_to_and_has_not_is_told() -> None:
    result = imported("rudder_project")
    told = [line for line in warnings(result) if "got a reference to none" in line or "nowhere" in line]

    assert len(told) == 2
    assert any("did you mean order_completed?" in line for line in told)
    assert any("retl-source-sql-model" in line for line in warnings(result))


@pytest.fixture
def rules(project: Plan) -> CompiledPlan:
    return compiled(project)


def test_properties_and_custom_types_are_enforced(rules: CompiledPlan) -> None:
    base = {"order_id": "1", "plan": "paid", "amount": 2}
    good = {
        "shipping": {"street": "s", "code": "a1"},
        "address": {"street": "s", "email": "a@b.example"},
        "tags": ["x"],
    }
    assert found(rules, event="Order Completed", properties={**base, **good, "lines": [{"order_id": "2"}]}) == []
    bad = {"shipping": {"code": "abc"}, "address": {"email": "no"}, "tags": ["toolong"], "lines": [{}], "other": 1}
    assert found(rules, event="Order Completed", properties={**base, **bad}) == [
        ("Format", "/properties/address/email"),
        ("Max Length", "/properties/tags/0"),
        ("Pattern", "/properties/shipping/code"),
        (REQUIRED, "/properties/address/street"),
        (REQUIRED, "/properties/lines/0/order_id"),
        (REQUIRED, "/properties/shipping/street"),
        (UNPLANNED, "/properties/other"),
    ]


def test_variants_become_conditions(rules: CompiledPlan) -> None:
    def wrong(**properties: object) -> list[tuple[str, str]]:
        return found(rules, event="Order Completed", properties={"order_id": "1", **properties})

    assert wrong(plan="paid") == [(REQUIRED, "/properties/amount")]
    assert wrong(plan="trial", amount=0) == [("Exclusive Minimum", "/properties/amount")]
    assert wrong(plan="free") == [(REQUIRED, "/properties/reason")]
    assert wrong(plan="free", reason="gift") == []


def test_open_rules_and_sections(rules: CompiledPlan) -> None:
    assert found(rules, event="Shop Opened", properties={"order_id": "1", "other": 1}) == []
    assert found(rules, type="identify", traits={"email": "no"}) == [("Format", "/traits/email")]
    assert found(rules, type="group", context={"traits": {"email": "no"}}) == [("Format", "/context/traits/email")]
    assert found(rules, type="group") == [(REQUIRED, "/context/traits")]


def test_the_legacy_spelling_of_a_project(tmp_path: Path) -> None:
    result = imported("rudder_project_legacy")
    plan = compiled(on_disk(result.plan, tmp_path / "plan"))

    assert (result.plan.name, warnings(result)) == ("Legacy plan", [])
    good = {"kind": "large", "other_kind": "dark", "sizes": ["s", 3], "both": None}
    assert found(plan, event="Product Viewed", properties=good) == []
    assert found(plan, event="Product Viewed", properties={"kind": "large", "other_kind": "x", "both": "a"}) == [
        ("Enum", "/properties/other_kind"),
        ("Min Length", "/properties/both"),
        (REQUIRED, "/properties/sizes"),
    ]
    assert found(plan, event="Product Viewed", properties={"kind": "small", "x": 1}) == [(UNPLANNED, "/properties/x")]
    assert found(plan, event="Product Clicked", properties={"anything": 1}) == []


def test_a_catalog_without_a_plan_is_refused() -> None:
    with pytest.raises(FileError, match="expected a tracking plan among the files"):
        import_plan([FILES / "rudder_project/catalog"])


def test_two_plans_are_refused() -> None:
    with pytest.raises(FileError, match="expected one tracking plan, got several"):
        imported("rudder_project", "rudder_project_legacy")


def test_yaml_that_is_wrong_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("version: rudder/v1\nkind: [\n", "utf-8")

    with pytest.raises(FileError, match=r"plan\.yaml:3:1"):
        import_plan([file])
