"""The templates hold what is published: every event with its properties, and the use cases by goal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from router.document import read
from router.plan import compile_plan
from router.plan_tools.examples import run_examples
from router.plan_tools.lint import lint
from router.plan_tools.lint.words import STANDARD_EVENTS
from router.plan_tools.templates import compose, library
from router.plan_tools.templates.library import DATA
from tests.plan_tools.templates.folders import declared, rule, written
from tests.plan_tools.templates.published import BESIDE, CALLS, PUBLISHED, TRAITS, USE_CASES

DESCRIBED = ("property-undescribed", "rule-examples", "names-closed")
TEMPLATES = list(library().templates)


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_is_a_plan_without_fault(name: str, tmp_path: Path) -> None:
    """It compiles, the linter has nothing to say, every rule has a valid and an invalid example that hold.

    And everything is described; owners are the team's to name.
    """
    plan = written(tmp_path, name)
    compiled = compile_plan(plan)
    compiled.prepare()

    results = list(run_examples(compiled))

    assert [str(found.problem) for found in lint(plan) if found.level != "info" or found.rule in DESCRIBED] == []
    assert [result for result in results if result.wrong] == []
    kinds = Counter((result.rule.title, result.example.valid) for result in results)
    assert all(kinds[rule.title, valid] for rule in plan.rules for valid in (True, False))
    assert all(each.description and each.why for each in plan.rules)
    assert plan.description


def test_all_templates_together_are_a_plan_without_fault(tmp_path: Path) -> None:
    plan = written(tmp_path, *TEMPLATES)
    compiled = compile_plan(plan)
    compiled.prepare()

    assert [str(found.problem) for found in lint(plan) if found.level in ("error", "warning")] == []
    assert [result for result in run_examples(compiled) if result.wrong] == []
    assert len(plan.rules) == len(library().rules)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_spec_s_template_has_its_events_and_their_properties(name: str, tmp_path: Path) -> None:
    plan = written(tmp_path, name)

    found = {each.name: declared(plan, each) for each in plan.rules if each.type == "track"}

    assert found.keys() == PUBLISHED[name].keys() | BESIDE.get(name, set())
    missing = {event: set(names.split()) - found[event] for event, names in PUBLISHED[name].items()}
    assert {event: names for event, names in missing.items() if names} == {}


@pytest.mark.parametrize("call_type", TRAITS)
def test_reserved_traits_are_there(call_type: str, tmp_path: Path) -> None:
    plan = written(tmp_path, "common")

    assert set(TRAITS[call_type].split()) <= declared(plan, rule(plan, call_type))


def test_the_linter_knows_the_same_standard_events() -> None:
    mine = {event for name, events in PUBLISHED.items() if name != "copilot" for event in events}

    assert mine == STANDARD_EVENTS


def test_every_event_is_defined_once() -> None:
    names: Counter[str] = Counter()
    for path in DATA.glob("*.yaml"):
        names.update(list(read(path).data.get("events", ())))

    assert [name for name, count in names.items() if count > 1] == []
    assert names.keys() <= library().rules.keys()


def test_twenty_five_use_cases_by_goal_and_each_once_for_all_its_goals() -> None:
    by_goal = [f"use-case/{goal}/{name}" for goal, names in USE_CASES.items() for name in names.split()]
    alone = {f"use-case/{name}" for names in USE_CASES.values() for name in names.split()}

    found = [name for name in TEMPLATES if name.startswith("use-case/")]

    assert (len(by_goal), len(alone)) == (25, 16)
    assert found[:25] == by_goal
    assert set(found[25:]) == alone


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name.startswith("use-case/")])
def test_a_use_case_names_what_it_needs_and_its_plan_has_it(name: str, tmp_path: Path) -> None:
    plan = written(tmp_path, name)
    template = library().template(name)

    assert {each.title for each in plan.rules} == {"identify", *template.needs}
    for key, names in template.needs.items():
        assert set(names) <= declared(plan, rule(plan, key))
        assert all(name in rule(plan, key).why for name in names)
    assert "Events from: a web site, an app" in plan.description
    assert "They go to: " in plan.description


@pytest.mark.parametrize("call", CALLS, ids=lambda call: str(call.get("event", call["type"])))
def test_the_templates_accept_events_as_recipes_write_them(call: dict[str, Any]) -> None:
    templates = [name for name in TEMPLATES if not name.startswith("use-case/")]
    compiled = compile_plan(compose(templates, "shop"))

    assert [str(each.violation.message) for each in compiled.find(call).findings(call)] == []


REQUIRED: list[tuple[str, str, dict[str, Any], str]] = [
    ("ecommerce", "Checkout Started", {"order_id": "1"}, "/properties/products"),
    ("ecommerce", "Product Viewed", {"name": "Hat"}, "/properties/product_id"),
    ("b2b-saas", "Invite Sent", {"invitee_role": "Owner"}, "/properties/invitee_email"),
    ("email", "Email Link Clicked", {"email_id": "m-1"}, "/properties/link_url"),
    ("activation", "Feature Used", {}, "/properties/feature_name"),
]


@pytest.mark.parametrize(("name", "event", "properties", "pointer"), REQUIRED)
def test_what_an_event_is_useless_without_is_required(
    name: str, event: str, properties: dict[str, Any], pointer: str, tmp_path: Path
) -> None:
    body = {"type": "track", "event": event, "properties": properties, "context": {}}

    findings = compile_plan(written(tmp_path, name)).find(body).findings(body)

    assert [(each.violation.type, each.violation.pointer) for each in findings] == [("Required", pointer)]
