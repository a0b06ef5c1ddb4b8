"""`router check`: each kind of file, what is checked with what, and the answer's forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.lines import Line
from tests.config.topologies import write

TOPOLOGY = """\
name: shop
sources: {web: {write_keys: ["${WEB_KEY:-dev}"]}}
destinations: {lake: {type: file, settings: {path: out}}}
"""
TESTS = """\
tests:
  - name: one
    given: [{source: web, type: track}]
    expect: {lake: []}
"""
EVENT = """\
type: track
event: Order Completed
description: Paid
properties:
  type: object
  properties: {total: {type: number}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with a topology, its test and a plan, all fine."""
    write(tmp_path, "topologies/shop.yaml", TOPOLOGY)
    write(tmp_path, "topologies/shop.test.yaml", TESTS)
    write(tmp_path, "schemas/shop/plan.yaml", "name: shop\n")
    write(tmp_path, "schemas/shop/events/order-completed.yaml", EVENT)
    return tmp_path


def test_files_without_fault_are_named_one_a_line(line: Line, shop: Path) -> None:
    ended = line("check", shop / "topologies", shop / "schemas")

    assert (ended.status, ended.err) == (0, "")
    assert [text.replace(f"{shop}/", "") for text in ended.out.splitlines()] == [
        "topologies/shop.yaml: topology shop, 1 source, 1 destination",
        "schemas/shop: plan shop, 1 rule",
        "topologies/shop.test.yaml: 1 test",
    ]


def test_a_folder_is_searched_at_any_depth_and_other_yaml_is_left_alone(line: Line, shop: Path) -> None:
    write(shop, "compose.yaml", "services: {kafka: {image: kafka}}\n")
    write(shop, "ops/prometheus/rules.yml", "groups: []\n")
    write(shop, ".github/workflows/ci.yaml", "on: push\n")
    write(shop, "teams/eu/broken.yaml", "name: [\n")

    ended = line("check", shop)

    assert [text.replace(f"{shop}/", "") for text in ended.out.splitlines()[2:]] == [
        "topologies/shop.yaml: topology shop, 1 source, 1 destination",
        "schemas/shop: plan shop, 1 rule",
        "topologies/shop.test.yaml: 1 test",
    ]
    assert ended.status == 1
    assert ended.out.replace(f"{shop}/", "").startswith("teams/eu/broken.yaml:2:1: ")
    assert "1 problem\n" in ended.out


def test_faults_of_all_files_are_reported_at_once(line: Line, shop: Path) -> None:
    write(shop, "topologies/shop.yaml", TOPOLOGY.replace("type: file", "type: fil"))
    write(shop, "topologies/two.yaml", "name: two\nsources: {}\nnme: x\n")
    write(shop, "schemas/shop/events/order-completed.yaml", EVENT.replace("type: number", "typ: number"))
    write(shop, "topologies/two.test.yaml", TESTS)

    ended = line("check", shop / "topologies", shop / "schemas")

    lines = ended.out.replace(f"{shop}/", "").splitlines()
    assert ended.status == 1
    assert len(lines) == 4
    assert lines[0].startswith("schemas/shop/events/order-completed.yaml:6:")
    assert lines[1].startswith(
        'topologies/shop.yaml:3:29: destinations.lake.type: expected a destination type, got "fil"'
    )
    assert lines[2].startswith("topologies/two.yaml:3:1: nme: expected a known key, got nme (did you mean name?)")
    assert lines[3] == "3 problems"


def test_parts_of_another_environment_are_faults(line: Line, shop: Path) -> None:
    text = TOPOLOGY.replace("{type: file", "{labels: {environment: staging}, type: file")
    path = write(shop, "topologies/shop.yaml", text + "environment: prod\n")

    ended = line("check", path, "--json")

    assert ended.status == 1
    assert [problem["path"] for problem in ended.answer["errors"]] == ["destinations.lake.labels.environment"]
    assert (ended.answer["warnings"], ended.answer["fine"]) == ([], [])


def test_faults_as_objects(line: Line, shop: Path) -> None:
    path = write(shop, "topologies/shop.yaml", TOPOLOGY.replace("type: file", "type: fil"))

    ended = line("check", path, "--json")

    assert (ended.status, ended.err) == (1, "")
    assert ended.answer == {
        "errors": [
            {
                "file": str(path),
                "line": 3,
                "column": 29,
                "path": "destinations.lake.type",
                "message": 'expected a destination type, got "fil"',
                "hint": "file",
            }
        ],
        "warnings": [],
        "fine": [],
    }


def test_warnings_do_not_fail(line: Line, shop: Path) -> None:
    path = write(shop, "topologies/shop.yaml", TOPOLOGY.replace("type: file,", "type: file, sources: [wep],"))

    ended = line("check", path)

    assert ended.status == 0
    assert ended.out.startswith(f"warning: {path}:3:")
    assert "(did you mean web?)" in ended.out
    assert len(line("check", path, "--json").answer["warnings"]) == 1


def test_an_unset_variable_is_a_fault_unless_no_env_is_asked_for(
    line: Line, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(shop, "topologies/shop.yaml", TOPOLOGY.replace("${WEB_KEY:-dev}", "${WEB_KEY_OF_TESTS}"))

    ended = line("check", path)
    assert ended.status == 1
    assert "expected the environment variable WEB_KEY_OF_TESTS to be set, got nothing" in ended.out

    assert line("check", path, "--no-env").status == 0
    assert line("check", path, "--env-file", write(shop, ".env", "WEB_KEY_OF_TESTS=k\n")).status == 0
    monkeypatch.setenv("WEB_KEY_OF_TESTS", "k")
    assert line("check", path).status == 0


def test_a_topology_without_a_name_is_checked_over_the_one_before_it(line: Line, shop: Path) -> None:
    base = shop / "topologies/shop.yaml"
    prod = write(shop, "prod.yaml", "sources: {web: {write_keys: [p]}}\ndestinations: {lake: {enabled: 0}}\n")

    ended = line("check", base, prod)

    assert ended.status == 1
    assert "prod.yaml:2:32: destinations.lake.enabled: expected true or false, got 0" in ended.out
    assert "1 problem\n" in ended.out
    assert f"{base}: topology shop" in ended.out


def test_included_files_are_checked_with_the_file_that_includes_them(line: Line, shop: Path) -> None:
    write(shop, "topologies/shop.yaml", f"include: [parts/*.yaml]\n{TOPOLOGY}")
    part = write(shop, "topologies/parts/app.yaml", "sources: {app: {}}\n")

    ended = line("check", shop / "topologies/shop.yaml", part)

    assert (ended.status, ended.err) == (0, "")
    assert "topology shop, 2 sources" in ended.out


def test_a_file_inside_a_plan_stands_for_the_plan(line: Line, shop: Path) -> None:
    ended = line("check", shop / "schemas/shop/events/order-completed.yaml", shop / "schemas/shop/plan.yaml")

    assert (ended.status, ended.out) == (0, f"{shop}/schemas/shop: plan shop, 1 rule\n")


def test_a_test_file_is_checked_against_its_topology(line: Line, shop: Path) -> None:
    path = write(shop, "topologies/shop.test.yaml", TESTS.replace("lake", "lke"))

    ended = line("check", path)

    assert ended.status == 1
    assert ended.out.startswith(f"{path}:4:14: tests[0].expect.lke: expected an output, got lke (did you mean lake?)\n")


@pytest.mark.parametrize("given", ["none.yaml", "empty"])
def test_what_is_not_there_is_a_fault(line: Line, tmp_path: Path, given: str) -> None:
    (tmp_path / "empty").mkdir()

    ended = line("check", tmp_path / given)

    assert ended.status == 1
    assert given in ended.out
    assert "expected" in ended.out
