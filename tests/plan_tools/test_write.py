"""A plan that is written reads back as the same plan, whatever its texts hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import FileError
from router.plan import Plan, load_plan
from router.plan.load import parse_plan
from router.plan.model import Example, Naming, Rule
from router.plan_tools.write import dump, filed, render, write_plan
from tests.plan.folders import FILES, make

SHOP = Path(__file__).parent.parent.parent / "schemas/shop"


def same(plan: Plan, other: Plan) -> bool:
    """Equal but for where they stand."""

    def shown(each: Plan) -> tuple[Plan, list[Rule]]:
        bare = replace(each, folder=Path(), revision="", documents={}, rules=())
        return bare, sorted(filed(each).rules, key=lambda rule: rule.file)

    return shown(plan) == shown(other)


def test_the_shop_is_the_same_after_writing(tmp_path: Path) -> None:
    plan = load_plan(SHOP)

    written = write_plan(plan, tmp_path)

    assert same(load_plan(tmp_path), plan)
    assert tmp_path / "events/order-completed.2.yaml" in written


def test_files_have_the_documented_shape() -> None:
    schema = {"type": "object", "required": ["total"], "properties": {"total": {"type": "number", "minimum": 0}}}
    rule = Rule(
        "track",
        "Order Completed",
        description="Paid",
        labels={"team": "growth"},
        schemas={"properties": schema},
        examples=(Example({"total": 9.5}), Example({"total": "x"}, False, ("/total",))),
    )

    assert render(Plan("shop", (rule,), owners=("me",), naming=Naming(events="snake"))) == {
        "plan.yaml": "name: shop\nowners: [me]\nnaming: {events: snake}\n",
        "events/order-completed.yaml": """type: track
event: Order Completed
description: Paid
labels: {team: growth}
properties:
  type: object
  required: [total]
  properties: {total: {type: number, minimum: 0}}
examples:
  valid: [{total: 9.5}]
  invalid:
    - {value: {total: x}, fails: [/total]}
""",
    }


def test_rules_without_a_file_get_one_each() -> None:
    rules = (
        Rule("track", "Home"),
        Rule("page", "Home"),
        Rule("track", "home!"),
        Rule("track", "Home", 2),
        Rule("identify"),
        Rule("screen"),
        Rule("track", "!"),
        Rule("track", "Kept", file="events/x/kept.yaml"),
    )

    assert [rule.file for rule in filed(Plan("p", rules)).rules] == [
        "events/home.yaml",
        "events/home-2.yaml",
        "events/home-3.yaml",
        "events/home.2.yaml",
        "identify.yaml",
        "events/screen.yaml",
        "events/event.yaml",
        "events/x/kept.yaml",
    ]


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    folder = make(tmp_path, FILES)
    before = {path: path.read_bytes() for path in folder.rglob("*.yaml")}

    with pytest.raises(FileError, match=r"plan\.yaml: \(root\): expected no such file yet, got one"):
        write_plan(load_plan(SHOP), folder)

    assert {path: path.read_bytes() for path in folder.rglob("*.yaml")} == before
    write_plan(load_plan(SHOP), folder, overwrite=True)
    assert load_plan(folder).name == "shop"


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co", "Zl", "Zp")) | st.just("\n"), max_size=20)
LIKE_OTHERS = st.sampled_from(
    ["yes", "no", "true", "~", "null", "0o17", "0x1F", "1e3", "1_000", "12:30", "2026-01-01", ".5", "-", "=", "<<", "",
     " x", "x ", "a: b", "a #b", "- a", "?", "|", ">", "%", "@", "`", "'", '"', "{", "[", "*a", "&a", "!a", "a\n", "\n"]
)  # fmt: skip
TEXTS = TEXT | LIKE_OTHERS
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(VALUES)
def test_any_value_is_written_so_that_it_reads_back(value: Any) -> None:
    from router.document import parse

    read = parse(dump({"x": value}).encode(), "x.yaml").data

    assert read == {"x": value}
    assert repr(read) == repr({"x": value})


SOME = TEXTS.filter(lambda text: text.strip())
RULES = st.builds(
    Rule,
    type=st.just("track"),
    name=SOME,
    version=st.integers(1, 3),
    description=TEXTS,
    why=TEXTS,
    owner=TEXTS,
    labels=st.dictionaries(SOME, SOME, max_size=2),
    schemas=st.dictionaries(
        st.sampled_from(["properties", "context"]),
        st.fixed_dictionaries({"type": st.just("object"), "description": TEXTS, "enum": st.lists(VALUES, max_size=2)}),
    ),
    examples=st.lists(st.builds(Example, value=VALUES), max_size=2).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(RULES, max_size=3, unique_by=lambda rule: (rule.name, rule.version)), SOME, TEXTS)
def test_any_plan_reads_back_the_same(rules: list[Rule], name: str, description: str) -> None:
    plan = Plan(name, tuple(rules), description)

    files = {path: text.encode() for path, text in render(plan).items()}

    assert same(parse_plan(files, Path("x")), plan)
