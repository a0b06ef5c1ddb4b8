"""A plan's folder becomes a plan, or all that is wrong with its files comes back at once, each with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from router.document import MAX_BYTES
from router.errors import FileError
from router.plan import load_plan
from router.plan.load import collect, parse_plan
from router.plan.model import DRAFT_2020_12, Example, Naming
from tests.plan.folders import FILES, ORDER, PRODUCT, lines, load, make

TRACK = "type: track\nevent: X\n"
SHOP = Path(__file__).parent.parent.parent / "schemas/shop"


def test_the_shop_loads() -> None:
    plan = load_plan(SHOP)

    assert plan.name == "shop"
    assert [rule.version for rule in plan.versions("track", "Order Completed")] == [1, 2]
    assert [rule.title for rule in plan.versions("page")] == ["page"]
    assert {"identify", "group", "page", "track"} == {rule.type for rule in plan.rules}
    assert {"defs/product.yaml", "defs/page.yaml"} == set(plan.defs)
    assert {"properties", "context"} == set(plan.common)


def test_everything_a_rule_says_is_kept(tmp_path: Path) -> None:
    text = """type: track
event: Signed Up
version: 3
description: d
why: w
owner: o
labels: {team: growth, priority: 1, public: true}
$schema: https://json-schema.org/draft/2020-12/schema
properties: {type: object}
context: {type: object}
message: true
examples:
  valid: [{a: 1}]
  invalid:
    - {value: {a: x}, fails: /a, description: no number}
"""
    (rule,) = load(tmp_path, {"events/signed-up.3.yaml": text}).versions("track", "Signed Up")

    assert (rule.version, rule.description, rule.why, rule.owner) == (3, "d", "w", "o")
    assert rule.labels == {"team": "growth", "priority": "1", "public": "true"}
    assert rule.schemas["properties"] == {"$schema": DRAFT_2020_12, "type": "object"}
    assert rule.schemas["message"] is True
    assert rule.examples == (Example({"a": 1}), Example({"a": "x"}, False, ("/a",), "no number"))
    assert rule.file == rule.path == "events/signed-up.3.yaml"


def test_everything_a_plan_says_is_kept(tmp_path: Path) -> None:
    text = """name: web
description: d
owners: me
labels: [public]
naming: {events: snake, properties: any, rules: {event-case: "off"}, allow: [iOS], synonyms: {Cart: [Basket]}}
x-note: free
"""
    plan = load(tmp_path, {"plan.yaml": text})

    assert (plan.name, plan.description, plan.owners, plan.labels) == ("web", "d", ("me",), {"public": ""})
    expected = Naming("snake", "any", {"event-case": "off"}, frozenset({"iOS"}), frozenset(), {"Cart": ("Basket",)})
    assert plan.naming == expected


def test_a_folder_without_plan_yaml_is_named_after_itself(tmp_path: Path) -> None:
    folder = make(tmp_path / "web", {"events/a.yaml": "type: track\nevent: A B\n"})

    assert load_plan(folder).name == "web"


def test_events_may_stand_in_folders_of_their_own(tmp_path: Path) -> None:
    nested = ORDER.replace("../defs", "../../defs").replace("Order Completed", "Order Updated")

    assert load(tmp_path, {"events/orders/updated.yaml": nested}).versions("track", "Order Updated")


def test_the_revision_changes_with_any_file_and_only_with_the_plan_s(tmp_path: Path) -> None:
    first = load(tmp_path / "a", {"README.md": "x", ".hidden.yaml": "x"})
    second = load(tmp_path / "b", {})
    third = load(tmp_path / "c", {"defs/product.yaml": PRODUCT + "\n"})

    assert len(first.revision) == 12
    assert first.revision == second.revision
    assert third.revision != first.revision


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("plan.yaml", "name: ''\n", "plan.yaml:1:7: /name: expected text, got an empty text"),
        ("plan.yaml", "name: 5\n", "plan.yaml:1:7: /name: expected text, got a number; put it in quotes"),
        ("plan.yaml", "[a]\n", "plan.yaml:1:1: (root): expected a mapping, got a list"),
        ("plan.yaml", "name: a\nnaming: {event: title}\n", "/naming/event: expected one of allow, events"),
        ("plan.yaml", "name: a\nnaming: {rules: {a: loud}}\n", "/naming/rules/a: expected one of error, warning"),
        ("plan.yaml", "name: a\nnaming: {events: Title}\n", "got Title (did you mean title?)"),
        ("events/x.yaml", "event: X Y\n", "(root): expected `type` (one of track, page, screen, alias)"),
        ("events/x.yaml", "type: trak\nevent: X\n", "page, screen, alias, got trak (did you mean track?)"),
        ("events/x.yaml", "type: identify\n", "expected identify in a file of its own, identify.yaml"),
        ("events/x.yaml", "type: track\n", "(root): expected `event`, got a mapping without it"),
        ("events/x.yaml", "type: track\nevent: ' '\n", "/event: expected text, got text"),
        ("events/x.yaml", "type: track\nevent: 404\n", "/event: expected text, got a number; put it in quotes"),
        ("events/x.yaml", TRACK + "name: Y\n", "/name: expected one of"),
        ("events/x.yaml", TRACK + "version: 0\n", "/version: expected a whole number from 1, got 0"),
        ("events/x.yaml", TRACK + "version: '1'\n", "/version: expected a whole number from 1, got text"),
        ("events/x.yaml", TRACK + "version: true\n", "/version: expected a whole number from 1, got true or"),
        ("events/x.yaml", TRACK + "proprties: {}\n", "/proprties: expected one of"),
        ("events/x.yaml", TRACK + "properties:\n", "/properties: expected a JSON Schema (a mapping), got nothing"),
        ("events/x.yaml", TRACK + "labels: {a: {}}\n", "/labels/a: expected text, got a mapping"),
        ("events/x.yaml", TRACK + "labels: [1]\n", "/labels/0: expected text, got a number"),
        ("events/x.yaml", TRACK + "labels: 1\n", "/labels: expected a mapping, got a number"),
        ("events/x.yaml", TRACK + "examples: {valid: {}}\n", "/examples/valid: expected a list, got a mapping"),
        ("events/x.yaml", TRACK + "examples: {invalid: [{a: 1}]}\n", "/examples/invalid/0: expected `value`"),
        ("events/x.yaml", TRACK + "examples: {invalid: [1]}\n", "/examples/invalid/0: expected a mapping"),
        ("events/x.yaml", TRACK + "examples: {invalid: [{value: 1, fails: [a]}]}\n", "(did you mean /a?)"),
        ("identify.yaml", "type: track\n", "/type: expected one of identify, got track"),
        ("identify.yaml", "event: x\n", "/event: expected one of"),
        ("common.yaml", "type: object\n", "/type: expected one of"),
        ("common.yaml", "traits: []\n", "/traits: expected a JSON Schema (a mapping), got a list"),
        ("idenitfy.yaml", "traits: {}\n", "got idenitfy.yaml (did you mean identify.yaml?)"),
        ("events/x.yml", "type: track\n", "expected a name that ends in .yaml, got another (did you mean x.yaml?)"),
        ("events/x.json", "{}", "(did you mean x.yaml?)"),
        ("events/x.yaml", "type: track\ntype: page\n", "2:1: /type: expected each key once, got it twice"),
        ("events/x.yaml", "type: !!python/name:os.system x\n", "expected a value without a tag, got !!python/name:os"),
        ("events/x.yaml", b"\xff", "events/x.yaml: (root): expected UTF-8 text, got byte 0 that is not"),
        ("events/x.yaml", "a: &a [*a]\n", "expected at most 100 levels, got more"),
        ("events/x.yaml", "", "events/x.yaml:1:1: (root): expected a mapping, got nothing"),
    ],
)  # fmt: skip
def test_a_file_of_the_wrong_shape_is_named_with_the_place(tmp_path: Path, name: str, text: str, expected: str) -> None:
    found = lines(tmp_path, {name: text})

    assert any(expected in line for line in found), found
    assert all(line.startswith(name) for line in found)


def test_all_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    found = lines(tmp_path, {"events/a.yaml": "type: x\nowner: 1\n", "events/b.yaml": "a: [", "common.yaml": "x: 1"})

    assert [line.split(":")[0] for line in found] == ["common.yaml", "events/a.yaml", "events/a.yaml", "events/b.yaml"]


def test_a_rule_that_stands_twice_names_the_other_file(tmp_path: Path) -> None:
    page = "type: page\nname: Home\n"
    found = lines(
        tmp_path,
        {
            "events/again.yaml": ORDER,
            "events/home.yaml": page,
            "events/home-2.yaml": page,
            "events/any.yaml": "type: page\n",
            "events/all.yaml": "type: page\n",
            "events/screen.yaml": "type: screen\nname: Home\n",
        },
    )

    assert found == [
        "events/any.yaml:1:7: /type: expected page version 1 once, got it in events/all.yaml too",
        "events/home.yaml:2:7: /name: expected page Home version 1 once, got it in events/home-2.yaml too",
        "events/order-completed.yaml:2:8: /event: expected track Order Completed version 1 once, "
        "got it in events/again.yaml too",
    ]


def test_names_differ_by_case_and_space(tmp_path: Path) -> None:
    plan = load(tmp_path, {"events/x.yaml": ORDER.replace("Order Completed", "order completed")})

    assert len(plan.rules) == 2


@pytest.mark.parametrize("kind", ["missing", "file", "empty"])
def test_what_is_no_plan_folder_is_said(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "plan"
    if kind == "file":
        folder.write_text("name: x")
    elif kind == "empty":
        make(folder, {"README.md": "nothing"})

    with pytest.raises(FileError, match="expected a tracking plan"):
        load_plan(folder)


def test_a_file_of_ten_megabytes_is_refused(tmp_path: Path) -> None:
    found = lines(tmp_path, {"events/large.yaml": "# " + "x" * 10_000_000})

    assert found == [f"events/large.yaml: (root): expected at most {MAX_BYTES} bytes, got more"]


def test_links_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    outside = make(tmp_path / "outside", {"secret.yaml": "$defs: {}"})
    folder = make(tmp_path / "plan", FILES)
    (folder / "defs/link.yaml").symlink_to(outside / "secret.yaml")
    (folder / "events/folder").symlink_to(outside)
    (folder / "common.yaml").symlink_to(outside / "secret.yaml")

    files, found = collect(folder)

    assert not any("secret" in name or "link" in name for name in files)
    assert len(found) == 3
    assert all("a link that leads out of it" in problem.message for problem in found)


def test_a_link_inside_the_folder_is_read(tmp_path: Path) -> None:
    folder = make(tmp_path, FILES)
    (folder / "defs/same.yaml").symlink_to(folder / "defs/product.yaml")

    assert "defs/same.yaml" in load_plan(folder).defs


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    folder = make(tmp_path, FILES)
    os.mkfifo(folder / "events/pipe.yaml")

    with pytest.raises(FileError, match="expected a file, got something else"):
        load_plan(folder)


def test_a_plan_can_be_read_from_texts_alone() -> None:
    """As a git revision gives them; nothing is looked for on disk."""
    files = {name: str(text).encode() for name, text in FILES.items()}

    plan = parse_plan(files, Path("HEAD:schemas/shop"))

    assert [rule.title for rule in plan.rules] == ["Order Completed"]
    with pytest.raises(FileError, match=r"HEAD:schemas/shop/plan\.yaml:1:1"):
        parse_plan(files | {"plan.yaml": b"x"}, Path("HEAD:schemas/shop"))
