"""A plan's page: what its rules count, what they do not know, and its revisions by git or as this process saw them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from router.console.over_time import OverTime
from router.console.pages.plan import MOST_AT_ONCE, Compared, PlanPage, counted
from router.console.plan_folders import NOW, PlanFolders, plan_names
from router.errors import UsageError
from router.insights.answers import answer
from router.plan import load_plan
from router.plan_tools.diff import Class, PlanChange
from tests.console.pages import HOSTILE, SPAN, counts, html, inert, shop
from tests.insights.records import NOW as NOW_MS
from tests.insights.records import resolved, tables, violation


def rule(name: str, **properties: str) -> str:
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    return yaml.safe_dump(
        {"type": "track", "event": name, "description": HOSTILE, "owner": "growth", "properties": schema}
    )


def folder(where: Path) -> Path:
    made = where / "shop-plan"
    (made / "events").mkdir(parents=True)
    (made / "events" / "signed-up.yaml").write_text(rule("Signed Up", plan="string"))
    return made


def git(where: Path, *arguments: str) -> None:
    name = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(("git", "-C", str(where), *name, *arguments), check=True, capture_output=True)


@pytest.mark.git
def test_revisions_are_commits_and_are_compared_with_each_other_and_with_the_files(tmp_path: Path) -> None:
    plan = folder(tmp_path)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "Begin")
    (plan / "events" / "signed-up.yaml").write_text(rule("Signed Up", plan="number"))
    git(tmp_path, "commit", "-am", HOSTILE)
    (plan / "events" / "signed-out.yaml").write_text(rule("Signed Out"))
    folders = PlanFolders()
    history = folders.history(plan)

    assert history.git
    assert [one.subject for one in history.revisions] == [HOSTILE, "Begin"]
    assert history.revisions[0].author == "Ada"
    change = folders.changes(plan, history.revisions[1].id, history.revisions[0].id)[0]
    assert (change.klass, change.path) == ("breaking", "/properties/plan")
    assert {one.rules for one in folders.changes(plan, history.revisions[0].id, NOW)} == {("Signed Out",)}
    with pytest.raises(UsageError):
        folders.changes(plan, "--output=/tmp/x", NOW)

    compared = Compared("a" * 40, NOW, [change])
    page = html(
        PlanPage("shop-plan", load_plan(plan), ["web"], counts(), "revisions", SPAN).shown(
            history=history, compared=compared
        )
    )
    assert inert(page)
    assert "■ breaking" in page
    assert "1 breaking, 0 risky, 0 safe" in page


def test_of_many_changes_those_that_break_consumers_are_shown_at_once() -> None:
    def made(klass: Class, count: int) -> list[PlanChange]:
        return [PlanChange(klass, (f"Rule {number}",), "", "changed") for number in range(count)]

    few, many = made("breaking", 2), [*made("breaking", MOST_AT_ONCE + 3), *made("safe", 7)]

    assert Compared("a", NOW, []).parts == []
    assert Compared("a", NOW, few).parts == [("", few)]
    assert Compared("a", NOW, many).parts == [
        ("", many[:MOST_AT_ONCE]),
        ("3 more, breaking ones first", many[MOST_AT_ONCE:-7]),
        ("7 safe", many[-7:]),
    ]
    assert [words for words, _ in Compared("a", NOW, made("safe", MOST_AT_ONCE + 1)).parts] == ["41 safe"]


def test_without_git_revisions_are_those_that_were_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    plan, folders = folder(tmp_path), PlanFolders()
    first = folders.read(plan)
    assert folders.read(plan) is first
    (plan / "events" / "signed-out.yaml").write_text(rule("Signed Out"))
    second = folders.read(plan)
    history = folders.history(plan)

    assert not history.git
    assert "in no git repository" in history.why
    assert [one.id for one in history.revisions] == [second.revision, first.revision]
    assert {one.rules for one in folders.changes(plan, first.revision, NOW)} == {("Signed Out",)}


def test_rules_have_what_their_events_count_and_names_without_a_rule_are_listed(tmp_path: Path) -> None:
    found = tables()
    for name in ("Signed Up", "Signed Up", HOSTILE):
        found.take(resolved(name), NOW_MS)
    found.take(violation(), NOW_MS)
    found.take(resolved("Signed Up", source="app"), NOW_MS)
    events, violations = (OverTime(answer(found, f"/v1/{path}", {}, NOW_MS)) for path in ("events", "violations"))
    plan = load_plan(folder(tmp_path))
    pages = [
        html(PlanPage("shop-plan", plan, ["web"], counts(), tab, SPAN).shown(events=events, violations=violations))
        for tab in ("rules", "violations", "unplanned")
    ]

    assert [inert(page) for page in pages] == [True, False, True]  # of violations none is hostile
    (line,) = counted(plan, events.answer.rows, ()).rules  # type: ignore[union-attr]
    assert (line.events, line.violations) == (3, 1)
    assert '<span class="" title="2">2</span>' in pages[0]
    assert "▲ 1" in pages[0]
    assert "0 blocked, 1 let through" in pages[1]
    assert "Counts are not available" in html(PlanPage("shop-plan", plan, ["web"], counts(), "rules", SPAN).shown())


def test_sources_that_share_a_folder_share_its_page(tmp_path: Path) -> None:
    folder(tmp_path)
    folder(tmp_path / "other")
    keys = {"write_keys": ["k1"]}
    sources = {
        "web": keys | {"plan": "shop-plan"},
        "app": {"write_keys": ["k2"], "plan": "shop-plan"},
        "shop": {"write_keys": ["k3"], "plan": "other/shop-plan"},
    }
    named = plan_names(shop(tmp_path, sources=sources))

    assert {name: own for name, (_, own) in named.items()} == {"shop-plan": ["app", "web"], "shop-plan~2": ["shop"]}
