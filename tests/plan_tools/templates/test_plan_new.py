"""`router plan new` writes a plan that the other commands take, and never over another one unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.plan_tools.templates import library
from tests.cli.lines import Line
from tests.plan.folders import FILES, make


def test_a_new_plan_passes_lint_and_test(line: Line, tmp_path: Path) -> None:
    folder = tmp_path / "plans" / "web"

    made = line("plan", "new", folder, "--template", "ecommerce", "--template", "use-case/personalize-winback")

    assert (made.status, made.err) == (0, "")
    assert made.out == f"{folder}: 31 rules in 41 files, from ecommerce, use-case/personalize-winback\n"
    linted, tested = line("plan", "lint", folder), line("plan", "test", folder)
    assert (linted.status, linted.out) == (0, f"{folder}: 31 rules, 0 errors, 0 warnings\n")
    assert (tested.status, tested.out[-11:]) == (0, ", 0 failed\n")
    assert (folder / "plan.yaml").read_text("utf-8").startswith("name: web\n")


def test_the_plan_s_name_may_be_another_than_the_folder_s(line: Line, tmp_path: Path) -> None:
    line("plan", "new", tmp_path / "web", "--template", "starter", "--name", "Our shop")

    assert (tmp_path / "web/plan.yaml").read_text("utf-8").startswith("name: Our shop\n")


def test_the_list_has_every_template_and_what_use_cases_need(line: Line) -> None:
    listed = line("plan", "new", "--list").out
    answer = line("plan", "new", "--list", "--json").answer["templates"]

    assert [each["name"] for each in answer] == list(library().templates)
    case = next(each for each in answer if each["name"] == "use-case/mitigate-cart-abandonment")
    assert case["events"] == ["Checkout Started", "Order Completed"]
    assert "num_items" in case["needs"]["Checkout Started"]
    by_goal = [name for name in library().templates if name.count("/") != 1]
    assert [text.split()[0] for text in listed.splitlines() if text.startswith("  ")] == by_goal
    assert "\nOptimize advertising\n" in listed


def test_with_json_the_answer_is_an_object(line: Line, tmp_path: Path) -> None:
    answer = line("plan", "new", tmp_path / "x", "--template", "ab-testing", "--json").answer

    assert answer == {"plan": str(tmp_path / "x"), "templates": ["ab-testing"], "rules": 3, "files": 7}


def test_another_plan_is_replaced_only_with_force(line: Line, tmp_path: Path) -> None:
    plan = make(tmp_path, {**FILES, "README.md": "ours"})
    before = {path: path.read_bytes() for path in plan.rglob("*") if path.is_file()}

    refused = line("plan", "new", plan, "--template", "ab-testing")
    assert refused.status == 1
    assert refused.err == (
        f"{plan}: (root): expected a folder without a tracking plan, got one that holds another (--force replaces it)\n"
    )
    assert {path: path.read_bytes() for path in plan.rglob("*") if path.is_file()} == before

    assert line("plan", "new", plan, "--template", "ab-testing", "--force").status == 0
    assert not (plan / "events/order-completed.yaml").exists()
    assert (plan / "README.md").read_text("utf-8") == "ours"
    assert line("plan", "test", plan).status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{dir}", "--template", "ecomerce"], "got ecomerce (did you mean ecommerce?)"),
        (["{dir}"], "expected --template NAME (`router plan new --list` shows them), got none"),
        (["--template", "ecommerce"], "expected the folder to write (router plan new DIR --template NAME), or --list"),
        (["{dir}", "--list"], "expected --list alone, got a folder or a template beside it"),
        (["{dir}", "--template"], "requires an argument"),
    ],
)
def test_wrong_usage_is_told_and_writes_nothing(line: Line, tmp_path: Path, arguments: list[str], said: str) -> None:
    ended = line("plan", "new", *(text.replace("{dir}", str(tmp_path / "x")) for text in arguments))

    assert ended.status == 2
    assert said in ended.err
    assert not (tmp_path / "x").exists()


def test_a_file_where_the_folder_should_be_is_told(line: Line, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")

    ended = line("plan", "new", tmp_path / "x", "--template", "starter")

    assert (ended.status, ended.err) == (1, f"{tmp_path / 'x'}: (root): expected a folder, got a file\n")
    assert (tmp_path / "x").read_text() == "mine"
