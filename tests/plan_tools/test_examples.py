"""Examples are held to what they say, at the places they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.plan import compile_plan, load_plan
from router.plan_tools.examples import problems, run_examples
from tests.plan.folders import ORDER, load

COMMON = "properties: {properties: {revenue: {type: number}}}\ncontext: {required: [ip]}"
SHOP = Path(__file__).parent.parent.parent / "schemas/shop"


def wrong(folder: Path, files: dict[str, str | bytes]) -> list[str]:
    compiled = compile_plan(load(folder, files))
    return [str(each).replace(f"{folder}/", "") for each in problems(compiled, list(run_examples(compiled)))]


def order(examples: str) -> dict[str, str | bytes]:
    return {"events/order-completed.yaml": f"{ORDER}examples:\n{examples}"}


def test_the_shop_s_examples_hold() -> None:
    results = list(run_examples(compile_plan(load_plan(SHOP))))

    assert len(results) > 30
    assert [result for result in results if result.wrong] == []
    assert {result.rule.path for result in results} == {rule.path for rule in load_plan(SHOP).rules}


@pytest.mark.parametrize(
    ("examples", "expected"),
    [
        ("  valid: [{order_id: a, total: 1}]", []),
        ("  valid: [{order_id: a}]", ["expected an example that conforms, got a violation at /total: expected this"]),
        ("  valid: [{order_id: a, total: 1, x: 1}]", ["got a violation at /x: expected a planned property"]),
        ("  valid: [{order_id: a, total: 1, revenue: x}]", ["got a violation at /revenue: expected a number"]),
        ("  valid: [5]", ["expected an example that conforms, got a violation at (root): expected an object"]),
        ("  invalid: [{value: {order_id: a, total: x}}]", []),
        ("  invalid: [{value: {order_id: a, total: x}, fails: /total}]", []),
        ("  invalid: [{value: {order_id: a, total: 1, x: 1}, fails: [/x]}]", []),
        ("  invalid: [{value: {order_id: a}, fails: [/total]}]", []),
        ("  invalid: [{value: {order_id: a}, fails: ['']}]", []),
        ("  invalid: [{value: {total: x}, fails: [/total]}]", []),
        ("  invalid: [{value: {order_id: a, total: 1}}]", ["expected an example that violates the rule, got one that"]),
        (
            "  invalid: [{value: {order_id: 1, total: x}, fails: [/total, /order]}]",
            ["expected a violation at /order, got violations at /order_id, /total"],
        ),
        ("  invalid: [{value: {order_id: a, total: x}, fails: ['']}]", ["expected a violation at (root), got"]),
    ],
)
def test_what_an_example_says_is_tried(tmp_path: Path, examples: str, expected: list[str]) -> None:
    files = order(examples) | {"common.yaml": COMMON}

    found = wrong(tmp_path, files)

    assert len(found) == len(expected)
    for line, text in zip(found, expected, strict=True):
        assert text in line


def test_a_problem_stands_at_its_example(tmp_path: Path) -> None:
    found = wrong(tmp_path, order("  valid:\n    - {order_id: a, total: 1}\n    - {order_id: a, total: -1}\n"))

    assert found == [
        "events/order-completed.yaml:13:7: /examples/valid/1: expected an example that conforms, got a violation at "
        "/total: expected at least 0, got less"
    ]


def test_each_kind_of_rule_has_examples_of_its_section(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "identify.yaml": "traits: {properties: {a: {type: number}}}\n"
        "examples: {valid: [{a: 1}], invalid: [{value: {a: x}}]}",
        "events/any.yaml": "type: page\nproperties: {required: [a]}\n"
        "examples: {valid: [{a: 1}], invalid: [{value: {}}]}",
        "events/home.yaml": "type: page\nname: Home\nproperties: {required: [b]}\nexamples: {valid: [{b: 1}]}",
        "events/alias.yaml": "type: alias\nmessage: {required: [previousId]}\n"
        "examples: {valid: [{previousId: a}], invalid: [{value: {userId: b}, fails: [/previousId]}, {value: 5}]}",
        "events/order-completed.2.yaml": "type: track\nevent: Order Completed\nversion: 2\n"
        "properties: {required: [new]}\nexamples: {valid: [{new: 1}], invalid: [{value: {order_id: a, total: 1}}]}",
    }

    assert wrong(tmp_path, files) == []
