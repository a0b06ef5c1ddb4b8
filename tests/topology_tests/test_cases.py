"""Test files: found, read with places, linted."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.errors import FileError
from router.topology_tests.cases import find_test_files, lint, read_tests
from tests.config.topologies import write

GOOD = """\
tests:
  - name: one
    given: [{source: web, type: track}]
    expect: {crm: []}
"""


def problems(folder: Path, text: str) -> list[str]:
    """All problems of a test file beside a topology with the source web and the destination crm."""
    write(folder, "t.yaml", "")
    path = write(folder, "t.test.yaml", text)
    try:
        found = lint(read_tests(path), ["web"], ["crm"])
    except FileError as error:
        found = list(error.problems)
    return [str(problem).replace(f"{folder}/", "") for problem in found]


def test_a_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    write(tmp_path, "shop.yaml", "")
    tests = read_tests(write(tmp_path, "shop.test.yaml", GOOD))

    assert tests.topology == (tmp_path / "shop.yaml",)
    assert tests.cases.tests[0].now == "2026-01-01T00:00:00Z"
    assert tests.case(0).document.locate(tests.case(0).pointer) == (2, 5)


@pytest.mark.parametrize("name", ["shop.test.yaml", "shop.orders.test.yaml", "shop.orders.eu.test.yml"])
def test_the_topology_is_the_file_of_the_same_name(tmp_path: Path, name: str) -> None:
    topology = write(tmp_path, "shop.yaml", "")

    assert read_tests(write(tmp_path, name, GOOD)).topology == (topology,)


def test_a_test_file_may_name_its_topologies(tmp_path: Path) -> None:
    path = write(tmp_path, "a/x.test.yaml", f"topology: [../shop.yaml, ../prod.yaml]\n{GOOD}")

    assert [p.name for p in read_tests(path).topology] == ["shop.yaml", "prod.yaml"]


def test_a_test_file_without_a_topology_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="expected a topology file of the same name"):
        read_tests(write(tmp_path, "alone.test.yaml", GOOD))


def test_nothing_is_substituted_in_a_test_file(tmp_path: Path) -> None:
    write(tmp_path, "t.yaml", "")
    path = write(tmp_path, "t.test.yaml", GOOD.replace("type: track", 'event: "${X}"'))

    assert read_tests(path).cases.tests[0].given[0]["event"] == "${X}"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("name: one", "name: one\n    nme: one"), "tests[0].nme: expected a known key, got nme (did you mean name?)"),
        (("    expect: {crm: []}\n", ""), "tests[0].expect: expected a value, got nothing"),
        (("[{source: web, type: track}]", "[]"), "tests[0].given: expected a list of at least 1, got 0"),
        (("[{source: web, type: track}]", "{}"), "tests[0].given: expected a list, got a mapping"),
        (("source: web", "source: wep"), "given[0].source: expected a source, got wep (did you mean web?)"),
        (("source: web", "source: 1"), "given[0].source: expected one of web, got 1"),
        (("source: web", "source: {a: 1}"), "given[0].source: expected one of web, got {'a': 1}"),
        (("source: web", "source: [web]"), "given[0].source: expected one of web, got ['web']"),
        (("type: track", "at: tomorrow"), "given[0].at: expected a time such as 2026-01-01T00:00:00Z, got tomorrow"),
        (("    given", "    now: 5pm\n    given"), "tests[0].now: expected a time such as"),
        (("type: track", "raw: x, type: track"), "given[0]: expected raw or an event, got both"),
        (("type: track", "raw: 1"), "given[0].raw: expected a text, got something else"),
        (
            ("crm: []", "cmr: []"),
            "t.test.yaml:4:14: tests[0].expect.cmr: expected an output, got cmr (did you mean crm?)",
        ),
        (("crm: []", "duplicates: []"), "expect.duplicates: expected a count, got something else"),
        (("crm: []", "crm: {}"), "expect.crm: expected a list of mappings or a count, got something else"),
        (("crm: []", "crm: [1]"), "expect.crm: expected a list of mappings or a count, got something else"),
        (("crm: []", "crm: -1"), "expect.crm: expected a list of mappings or a count, got something else"),
        (("crm: []", "crm: true"), "expect.crm: expected a list of mappings or a count, got something else"),
    ],
)
def test_each_fault_is_named_with_its_place(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    found = problems(tmp_path, GOOD.replace(*change))

    assert len(found) == 1
    assert expected in found[0]


def test_two_tests_of_one_name_are_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, GOOD + GOOD.replace("tests:\n", ""))

    assert found == ["t.test.yaml:5:11: tests[1].name: expected a name of its own, got one that is taken"]


@pytest.mark.parametrize("text", ["crm: 2, resolved: 1", "dest.crm: []", "duplicates: 0, violations: [], merges: 0"])
def test_every_output_may_be_expected(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, GOOD.replace("crm: []", text)) == []


def test_test_files_are_found_in_folders_and_below(tmp_path: Path) -> None:
    one = write(tmp_path, "a.test.yaml", GOOD)
    two = write(tmp_path, "deep/er/b.test.yml", GOOD)
    write(tmp_path, "deep/c.yaml", "")

    assert find_test_files([tmp_path, one]) == [one, two]


def test_where_there_is_no_test_file_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    other = write(tmp_path, "other.yaml", "")

    with pytest.raises(FileError) as raised:
        find_test_files([tmp_path / "empty", other, tmp_path / "none"])

    assert [problem.message for problem in raised.value.problems] == [
        "expected test files (*.test.yaml), got a folder without one",
        "expected test files (*.test.yaml), got another file",
        "expected test files (*.test.yaml), got nothing there",
    ]
