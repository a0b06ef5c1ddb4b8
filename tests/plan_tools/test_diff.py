"""What a diff calls safe or risky keeps every event that passed passing; what it calls breaking says why."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from router.errors import RouterError
from router.plan import Plan, compile_plan, load_plan
from router.plan.model import Rule
from router.plan_tools.diff import diff
from router.plan_tools.diff.report import markdown, summary, text
from router.plan_tools.diff.revision import plan_at
from router.plan_tools.store import store
from tests.cli.lines import Line
from tests.plan_tools.instances import changed, instances
from tests.plan_tools.strategies import SECTIONS, VALUES, plans

SHOP = Path(__file__).parents[2] / "schemas/shop"
CHECKS = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much)


def track(schema: Any, version: int = 1, **more: Any) -> Rule:
    return Rule("track", "A B", version, schemas={"properties": schema}, **more)


def plan(*rules: Rule, **more: Any) -> Plan:
    return Plan("p", rules, **more)


def told(old: Any, new: Any) -> list[tuple[str, str, str]]:
    """Class, place and message of what changed between two schemas of properties."""
    return [(each.klass, each.path, each.message) for each in diff(plan(track(old)), plan(track(new)))]


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@settings(max_examples=25, suppress_health_check=CHECKS, deadline=None)
@given(plans())
def test_a_plan_does_not_differ_from_itself(plan: Plan) -> None:
    assert diff(plan, plan) == []
    assert diff(plan, replace(plan, rules=plan.rules[::-1])) == []


@settings(max_examples=80, suppress_health_check=CHECKS, deadline=None)
@given(st.data())
def test_without_a_breaking_change_events_that_passed_pass(data: st.DataObject) -> None:
    old = data.draw(SECTIONS, "old")
    new = data.draw(changed(old), "new")
    common = data.draw(st.just({}) | st.fixed_dictionaries({"properties": SECTIONS}), "common")
    after = data.draw(st.just(common) | st.fixed_dictionaries({"properties": SECTIONS}), "common after")
    before, now = plan(track(old), common=common), plan(track(new), common=after)
    if any(change.klass == "breaking" for change in diff(before, now)):
        assume(False)

    passed, passes = compile_plan(before), compile_plan(now)
    for value in data.draw(st.lists(instances(old) | instances(new), min_size=1, max_size=12), "values"):
        if isinstance(value, dict):
            event = {"type": "track", "event": "A B", "properties": value}
            assert passes.find(event).is_valid(event) or not passed.find(event).is_valid(event)


@settings(max_examples=20, suppress_health_check=CHECKS, deadline=None)
@given(plans(), st.data())
def test_the_same_holds_for_whole_plans(old: Plan, data: st.DataObject) -> None:
    """Some rules left out, some with another schema: two plans made apart would break each other nearly always."""
    rules = []
    for rule in old.rules:
        kept = {section: data.draw(st.just(schema) | changed(schema)) for section, schema in rule.schemas.items()}
        rules += data.draw(st.sampled_from(([replace(rule, schemas=kept)], [rule], [])))
    new = replace(old, rules=tuple(rules))
    if any(change.klass == "breaking" for change in diff(old, new)):
        assume(False)

    passed, passes = compile_plan(old), compile_plan(new)
    for rule in old.rules:
        value = data.draw(instances(rule.schemas.get(rule.section, True)) | VALUES)
        body: dict[str, Any] = {"type": rule.type, "context": {"protocols": {"event_version": rule.version}}}
        body |= {"event": rule.name} if rule.type == "track" else {"name": rule.name}
        if rule.section != "message" and isinstance(value, dict):
            body[rule.section] = value
        assert passes.find(body).is_valid(body) or not passed.find(body).is_valid(body)


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ({"type": "string"}, {"type": "number"}, "", "may no longer be string; it must be number"),
        ({"type": "number"}, {"type": "integer"}, "", "may no longer be number; it must be integer"),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, "", "may no longer be b; allowed: a"),
        ({"type": "string"}, {"enum": ["a"]}, "", "may no longer be any value; allowed: a"),
        ({"type": "number"}, {"type": "number", "minimum": 1}, "", "must be at least 1 (before: no limit)"),
        (
            {"type": "number", "minimum": 1},
            {"type": "number", "exclusiveMinimum": 1},
            "",
            "must be more than 1 (before: at least 1)",
        ),
        (
            {"type": "string", "maxLength": 9},
            {"type": "string", "maxLength": 8},
            "",
            "must have at most 8 characters (before: 9)",
        ),
        ({"type": "string"}, {"type": "string", "pattern": "^a"}, "", "must match ^a (before: none)"),
        ({"type": "string"}, {"type": "string", "format": "email"}, "", "must have the format email (before: none)"),
        (
            {"type": "array", "items": {"type": "number"}},
            {"type": "array", "items": {"type": "integer"}},
            "/*",
            "may no longer be number; it must be integer",
        ),
        (of(a={}), of(), "/a", "is no longer planned; events that carry it have an unplanned property"),
        (
            {"type": "object"},
            of(a={}),
            "",
            "takes no other properties than those named from now on; others are unplanned",
        ),
        (of(a={}), {**of(a={}), "required": ["a"]}, "/a", "is required from now on; events without it fail"),
    ],
)
def test_narrower_schemas_break(old: Any, new: Any, place: str, message: str) -> None:
    assert told(of(x=old), of(x=new))[0] == ("breaking", f"/properties/x{place}", message)


@pytest.mark.parametrize(
    ("old", "new", "klass", "message"),
    [
        ({"type": "string"}, {"type": ["string", "null"]}, "risky", "may also be null from now on (before: string)"),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, "risky", "may also be b from now on (before: a)"),
        (
            {"type": "number", "minimum": 2},
            {"type": "number"},
            "risky",
            "may be less from now on: no limit (before: at least 2)",
        ),
        ({**of(a={}), "required": ["a"]}, of(a={}), "risky", "is no longer required; consumers may miss it"),
        (of(a={}), of(a={}, b={"type": "string"}), "safe", "is a new property"),
        ({"anyOf": [{"type": "string"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}, "risky", "allows more"),
    ],
)
def test_wider_schemas_do_not_break(old: Any, new: Any, klass: str, message: str) -> None:
    (change,) = told(of(x=old), of(x=new))

    assert change[0] == klass
    assert change[2].startswith(message)


def test_what_stands_in_common_schemas_is_told_once_for_all_events() -> None:
    rules = (track(of(a={})), Rule("track", "C D", schemas={"properties": of(a={})}))
    old = plan(*rules, common={"properties": of(a={"type": "string"})})
    new = plan(*rules, common={"properties": of(a={"type": "string", "minLength": 1})})

    (change,) = diff(old, new)

    assert change.rules == ("A B", "C D", "other page calls", "other screen calls")
    assert change.klass == "breaking"


def test_a_common_property_that_no_event_could_carry_does_not_break() -> None:
    old, new = plan(track(of(a={}))), plan(track(of(a={})), common={"properties": of(b={"type": "string"})})

    assert [(change.klass, change.path) for change in diff(old, new) if "A B" in change.rules] == [
        ("safe", "/properties/b")
    ]
    others = ("other page calls", "other screen calls")
    assert [change.rules for change in diff(old, new) if change.klass == "breaking"] == [others]


def test_events_and_versions_come_and_go() -> None:
    first, second = track(of(a={})), track(of(a={}, b={}), 2)

    assert [change.klass for change in diff(plan(), plan(first))] == ["safe"]
    assert [change.klass for change in diff(plan(first), plan())] == ["breaking"]
    (added,) = diff(plan(first), plan(first, second))
    assert (added.klass, added.message) == ("safe", "version 2 is new; events that claim it are held against it")
    gone = diff(plan(first, second), plan(first))
    assert [(change.klass, change.path) for change in gone] == [("breaking", "/properties/b"), ("risky", "")]
    assert gone[1].message == "version 2 is gone; its events are held against version 1"


def test_the_first_page_rule_makes_other_pages_unplanned() -> None:
    changes = diff(plan(), plan(Rule("page", "Home", schemas={"properties": of(path={})})))

    assert ("breaking", ("other page calls",)) in [(change.klass, change.rules) for change in changes]


def test_words_are_safe() -> None:
    old = plan(track(of(a={"type": "string", "description": "one"}), why="w"))
    new = plan(track(of(a={"type": "string", "description": "two"}), why="v"), description="d")

    assert [(change.klass, change.message) for change in diff(old, new)] == [
        ("safe", "of the plan itself, changed: description"),
        ("safe", "changed: why, wording of schemas"),
    ]


def test_the_same_in_other_words_is_no_change() -> None:
    assert (
        told(of(x={"type": "string"}), {"allOf": [of(x={"type": "string"})]})
        == [("safe", "", "changed: notes in schemas")]
        or told(of(x={"type": "string"}), {"allOf": [of(x={"type": "string"})]}) == []
    )


def test_a_report_for_a_pull_request_is_markdown_that_holds() -> None:
    changes = diff(plan(track(of(a={"enum": ["|", "b"]}))), plan(track(of(a={"enum": ["b"]}))))
    lines = list(markdown(changes, "shop"))

    assert lines[0] == "### Tracking plan shop: 1 breaking, 0 risky, 0 safe"
    assert "| A B | `/properties/a` | may no longer be \\|; allowed: b |" in lines
    assert list(text(changes))[-1] == summary(changes) == "1 breaking, 0 risky, 0 safe"
    assert summary([]) == "no changes"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with two commits of a plan in plans/p."""

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@t.example", "-c", "commit.gpgsign=false")
        subprocess.run(("git", *who, *arguments), cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    (tmp_path / "README.md").write_text("x", "utf-8")
    git("add", ".")
    git("commit", "-qm", "zero")
    for number, rules in enumerate(([track(of(a={}))], [track(of(a={}, b={}))])):
        store(plan(*rules), tmp_path / "plans/p", force=number > 0)
        git("add", ".")
        git("commit", "-qm", f"{number}")
    store(plan(track(of())), tmp_path / "plans/p", force=True)
    return tmp_path


@pytest.mark.git
def test_a_plan_is_read_at_a_revision(repository: Path) -> None:
    old, new = plan_at("HEAD~1", "plans/p", repository), plan_at("HEAD", "plans/p", repository)
    assert old
    assert new

    assert [(change.klass, change.path) for change in diff(old, new)] == [("safe", "/properties/b")]
    for folder, where in (("p", repository / "plans"), ("plans/p", repository / "plans")):
        found = plan_at("HEAD", folder, where)
        assert found
        assert found.rules == new.rules
    assert plan_at("HEAD", "nowhere", repository) is None
    assert plan_at("HEAD", "../..", repository) is None


@pytest.mark.git
def test_a_revision_that_is_none_is_refused(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(RouterError, match="no such revision"):
        plan_at("nothing", "plans/p", repository)
    with pytest.raises(RouterError, match="not a git repository"):
        plan_at("HEAD", "p", tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.git
def test_the_command_compares_revisions_with_folders(
    repository: Path, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)

    ended = line("plan", "diff", "HEAD:plans/p", "plans/p")
    assert ended.status == 1
    assert ended.out.splitlines()[-1] == "2 breaking, 0 risky, 0 safe"
    assert line("plan", "diff", "HEAD:plans/p", "plans/p", "--allow", "breaking").status == 0
    ended = line("plan", "diff", "HEAD~1", "HEAD", "--plan", "plans/p", "--format", "json")
    assert (ended.status, ended.answer["safe"], ended.answer["breaking"]) == (0, 1, 0)
    assert ended.answer["changes"][0]["path"] == "/properties/b"
    assert line("plan", "diff", "HEAD~1", "HEAD", "--plan", "plans/p", "--allow", "safe").status == 0
    ended = line("plan", "diff", "HEAD~2:plans/p", "HEAD:plans/p")
    assert ended.status == 0
    assert "compared with an empty one" in ended.err
    assert line("plan", "diff", "HEAD", "plans/p").status == 2
    assert line("plan", "diff", "nothing:plans/p", "plans/p").status == 1
    ended = line("plan", "diff", "HEAD~2:plans/p", "plans/p", "--allow", "breaking")
    assert (ended.status, "HEAD~2: plans/p: expected a tracking plan at this revision" in ended.err) == (0, True)


@pytest.mark.git
@pytest.mark.parametrize(
    ("given", "status", "told"),
    [
        ("HEAD:plan/p", 1, "HEAD:plan/p: expected a folder with a tracking plan, got none in HEAD"),
        ("HEAD:README.md", 1, "HEAD:README.md: expected a folder with a tracking plan, got none in HEAD"),
        ("HEAD:..", 1, "HEAD:..: expected a folder with a tracking plan, got none in HEAD"),
        ("HEAD:/plans/p", 1, "HEAD:/plans/p: expected a folder or a git revision, got Invalid path '/plans'"),
        ("nothing:plans/p", 1, "nothing:plans/p: expected a folder or a git revision, got no such revision (nothing)"),
        ("HEAD:", 2, "expected a plan's folder, REV:FOLDER, or REV with --plan FOLDER, got HEAD:"),
        (":plans/p", 2, "expected a plan's folder, REV:FOLDER, or REV with --plan FOLDER, got :plans/p"),
        ("plans/x", 2, "expected a plan's folder, REV:FOLDER, or REV with --plan FOLDER, got plans/x"),
    ],
)
def test_what_names_no_plan_is_not_compared_with_an_empty_one(
    repository: Path, line: Line, monkeypatch: pytest.MonkeyPatch, given: str, status: int, told: str
) -> None:
    monkeypatch.chdir(repository)

    for arguments in ((given, "plans/p"), ("plans/p", given)):
        ended = line("plan", "diff", *arguments)
        assert (ended.status, ended.out) == (status, "")
        assert told in ended.err


def test_the_shop_does_not_differ_from_itself() -> None:
    assert diff(load_plan(SHOP), load_plan(SHOP)) == []
