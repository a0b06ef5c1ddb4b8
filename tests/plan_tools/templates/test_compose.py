"""Templates make one plan: what they have in common stands in it once, with what each of them adds."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from router.errors import UsageError
from router.plan import compile_plan
from router.plan_tools.templates import compose, library
from tests.plan_tools.templates.folders import declared, rule, written

CASE = "use-case/convert-trials-to-paid-subscriptions"


def test_an_event_of_several_templates_stands_once_with_what_each_needs(tmp_path: Path) -> None:
    plan = written(tmp_path, "b2b-saas", "b2b-saas", CASE, "use-case/acquire-paid-subscriptions")
    trial = rule(plan, "Trial Started")

    assert len(plan.rules) == len({(each.type, each.name) for each in plan.rules})
    assert declared(plan, trial) == {"trial_start_date", "trial_end_date", "trial_plan_name", "plan", "category"}
    assert trial.schemas["context"] == {"$ref": "../defs/account.yaml#/$defs/member"}
    assert trial.why == (
        "How many trials become customers; Convert trials to paid subscriptions needs it, with category; "
        "Acquire paid subscriptions needs it, with category"
    )


def test_a_use_case_alone_asks_for_no_account(tmp_path: Path) -> None:
    plan = written(tmp_path, CASE)

    assert "context" not in rule(plan, "Trial Started").schemas
    assert "defs/account.yaml" not in plan.defs


def test_a_spec_s_event_has_what_use_cases_add_only_with_them(tmp_path: Path) -> None:
    alone = written(tmp_path / "a", "ecommerce")
    both = written(tmp_path / "b", "ecommerce", "use-case/mitigate-cart-abandonment")

    added = declared(both, rule(both, "Checkout Started")) - declared(alone, rule(alone, "Checkout Started"))

    assert added == {"num_items"}


def test_the_order_of_templates_does_not_change_what_is_checked(tmp_path: Path) -> None:
    plans = [
        written(tmp_path / "-".join(names), *names)
        for names in (("b2b-saas", "mobile", "email"), ("email", "mobile", "b2b-saas"))
    ]

    first, second = ({each.title: each.schemas for each in plan.rules} for plan in plans)

    assert first == second
    assert plans[0].defs == plans[1].defs


@pytest.mark.parametrize("pair", list(combinations(("starter", "ecommerce", "b2b-saas", "mobile", CASE), 2)))
def test_any_two_go_together(pair: tuple[str, str], tmp_path: Path) -> None:
    plan = written(tmp_path, *pair)
    compile_plan(plan).prepare()

    wanted = {key for name in pair for key in library().template(name).rules}
    assert {each.title for each in plan.rules} == wanted


def test_only_definitions_that_are_used_come_along(tmp_path: Path) -> None:
    assert list(written(tmp_path / "a", "ab-testing").defs) == ["defs/address.yaml", "defs/page.yaml"]
    assert list(written(tmp_path / "b", "live-chat").defs) == ["defs/conversation.yaml"]
    assert "defs/product.yaml" in written(tmp_path / "c", "ecommerce").defs


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ecomerce", " (did you mean ecommerce?)"),
        ("mitigate-cart-abandonment", " (did you mean use-case/mitigate-cart-abandonment?)"),
        ("../../etc", ""),
    ],
)
def test_an_unknown_template_is_named_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        compose(["ecommerce", name], "shop")

    assert str(caught.value) == f"expected a template (`router plan new --list` shows them), got {name}{hint}"
