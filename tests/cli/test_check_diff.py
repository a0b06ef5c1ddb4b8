"""`router check --diff`: what running processes would take over, and what needs a restart, since a git revision."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.lines import Line
from tests.config.topologies import write

TOPOLOGY = """\
name: shop
sources:
  web: {write_keys: ["${WEB_KEY:-dev}"], plan: ../schemas/shop}
destinations:
  lake: {type: file, settings: {path: ../out}}
  crm: {type: webhook, events: [Order Completed], settings: {url: "${CRM_URL}", secret: "${CRM_SECRET}"}}
"""
EVENT = "type: track\nevent: Order Completed\nproperties: {type: object, properties: {total: {type: number}}}\n"
pytestmark = pytest.mark.git

SINCE = "{0}/topologies/shop.yaml: since {1} {2} taken over while running, {3} by a restart"


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    subprocess.run(("git", "-C", str(folder), *names, *arguments), check=True, capture_output=True, timeout=300)


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a state")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository with a topology and its plan, committed."""
    folder = tmp_path / "repository"
    write(folder, "topologies/shop.yaml", TOPOLOGY)
    write(folder, "schemas/shop/plan.yaml", "name: shop\n")
    write(folder, "schemas/shop/events/order-completed.yaml", EVENT)
    git(folder, "init", "-q")
    commit(folder)
    return folder


def edit(shop: Path, old: str, new: str) -> None:
    file = shop / "topologies/shop.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def differences(line: Line, shop: Path, *more: str) -> list[str]:
    """What is said beyond that the file is fine."""
    ended = line("check", shop / "topologies/shop.yaml", "--no-env", "--diff", *more)
    assert (ended.status, ended.err) == (0, "")
    return ended.out.splitlines()[1:]


def test_without_a_change_it_says_so(line: Line, shop: Path) -> None:
    assert differences(line, shop) == [f"{shop}/topologies/shop.yaml: as in HEAD"]


def test_every_change_is_marked_by_what_it_takes(line: Line, shop: Path) -> None:
    edit(shop, "name: shop\n", "name: shop\ntopics: {partitions: 3}\n")
    edit(shop, "events: [Order Completed]", "types: [track]")
    write(shop, "schemas/shop/events/order-completed.yaml", EVENT.replace("number", "string"))
    found = differences(line, shop)

    assert found[0] == SINCE.format(shop, "HEAD", 3, 1)
    assert found[1] == "  restart  topics.partitions: nothing -> 3 (it is read once, at the start)"
    assert found[2].startswith("  swap     sources.web.plan: shop@")
    assert found[2].endswith(": Order Completed changed")
    assert found[3:] == [
        "  swap     destinations.crm.types: nothing -> [track]",
        "  swap     destinations.crm.events: [Order Completed] -> nothing",
    ]


def test_the_last_argument_may_name_the_revision(line: Line, shop: Path) -> None:
    edit(shop, "events: [Order Completed]", "types: [track]")
    commit(shop)
    edit(shop, "../out", "../elsewhere")

    assert differences(line, shop)[1:] == ["  swap     destinations.lake.settings.path: changed"]
    assert differences(line, shop, "HEAD~1")[1:] == [
        "  swap     destinations.lake.settings.path: changed",
        "  swap     destinations.crm.types: nothing -> [track]",
        "  swap     destinations.crm.events: [Order Completed] -> nothing",
    ]


def test_json_has_the_same(line: Line, shop: Path) -> None:
    edit(shop, "name: shop\n", "name: shop\nguarantee: at_least_once\n")
    answer = line("check", shop / "topologies/shop.yaml", "--no-env", "--diff", "--json").answer

    (found,) = answer["differences"]
    assert (found["files"], found["revision"]) == ([f"{shop}/topologies/shop.yaml"], "HEAD")
    change = {"path": "guarantee", "what": "exactly_once -> at_least_once", "how": "restart"}
    assert [each.items() >= change.items() for each in found["changes"]] == [True]


def test_the_environment_is_neither_needed_nor_shown(line: Line, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_URL", "https://example.com/hidden-token")
    monkeypatch.setenv("CRM_SECRET", "hidden-secret")
    edit(shop, "${CRM_SECRET}", "${OTHER_SECRET:-x}")
    ended = line("check", shop / "topologies/shop.yaml", "--diff")

    assert "  swap     destinations.crm.settings.secret: changed" in ended.out.splitlines()
    assert "hidden" not in ended.out + ended.err


def test_included_files_and_overrides_count(line: Line, shop: Path) -> None:
    edit(shop, "name: shop\n", "name: shop\ninclude: [more/*.yaml]\n")
    write(shop, "topologies/more/mail.yaml", "destinations: {mail: {type: file, settings: {path: ../../out}}}\n")
    write(shop, "topologies/prod.yaml", "limits: {depth: 9}\n")
    commit(shop)
    write(shop, "topologies/more/mail.yaml", "destinations: {post: {type: file, settings: {path: ../../out}}}\n")
    write(shop, "topologies/prod.yaml", "limits: {depth: 8}\n")
    ended = line("check", shop / "topologies/shop.yaml", shop / "topologies/prod.yaml", "--no-env", "--diff")

    assert ended.out.splitlines()[-3:] == [
        "  swap     limits.depth: 9 -> 8",
        "  swap     destinations.post: added",
        "  swap     destinations.mail: removed; events not yet delivered stay in its topic",
    ]


def test_a_file_that_the_revision_does_not_have_is_new(line: Line, shop: Path) -> None:
    write(shop, "topologies/two.yaml", TOPOLOGY.replace("name: shop", "name: two"))
    ended = line("check", shop / "topologies/two.yaml", "--no-env", "--diff")

    assert (ended.status, ended.out.splitlines()[-1]) == (0, f"{shop}/topologies/two.yaml: not in HEAD")


def test_a_revision_with_faults_is_told_with_its_own_places(line: Line, shop: Path) -> None:
    edit(shop, "events: [Order Completed]", "evnts: [Order Completed]")
    commit(shop)
    edit(shop, "evnts: [Order Completed]", "events: [Order Completed]")
    ended = line("check", shop / "topologies/shop.yaml", "--no-env", "--diff")

    assert ended.status == 0
    assert ended.out.startswith("warning: HEAD:topologies/shop.yaml:6:24: destinations.crm.evnts: ")
    assert ended.out.splitlines()[-1].endswith("not to be compared, HEAD is faulty")


def test_a_faulty_file_is_a_fault_and_no_difference(line: Line, shop: Path) -> None:
    edit(shop, "events: [Order Completed]", "evnts: [Order Completed]")
    ended = line("check", shop / "topologies/shop.yaml", "--no-env", "--diff")

    assert ended.status == 1
    assert "since" not in ended.out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [(["no-such-revision"], 1, "no such revision (no-such-revision)"), (["--json"], 0, "")],
)
def test_a_revision_that_is_none_is_told(line: Line, shop: Path, arguments: list[str], status: int, said: str) -> None:
    ended = line("check", shop / "topologies/shop.yaml", "--no-env", "--diff", *arguments)
    assert ended.status == status
    assert said in ended.err


def test_without_a_repository_or_a_file_it_says_what_is_missing(line: Line, tmp_path: Path) -> None:
    file = write(tmp_path, "alone/t.yaml", "name: t\nsources: {web: {}}\n")
    ended = line("check", file, "--diff")
    assert ended.status == 1
    assert "not a git repository" in ended.err

    ended = line("check", tmp_path / "nothing.yaml", "--diff")
    assert ended.status == 2
    assert "nothing.yaml" in ended.err


def test_the_work_tree_is_left_alone(line: Line, shop: Path) -> None:
    edit(shop, "../out", "../elsewhere")
    before = sorted(path for path in shop.rglob("*") if ".git" not in path.parts)
    differences(line, shop)
    assert sorted(path for path in shop.rglob("*") if ".git" not in path.parts) == before
    git(shop, "diff", "--cached", "--exit-code")
