"""Test files: `shop.test.yaml` beside `shop.yaml`, as typed cases whose every value knows its place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from router.config.inputs import TEST_SUFFIXES
from router.config.tree import Node, tree
from router.config.types import Model
from router.config.validate import validate
from router.document import nearest, read
from router.errors import FileError, Problem
from router.events.times import milliseconds

NOW = "2026-01-01T00:00:00Z"
LISTS = ("resolved", "blocked", "invalid", "violations", "merges", "filtered")
OUTPUTS = (*LISTS, "duplicates")  # a destination of such a name is written dest.<name>
_OWN_KEYS = ("source", "at", "raw")


class Case(Model):
    """One test. In `given`, `source`, `at` and `raw` (the message's text, instead of an event) are ours."""

    name: str = Field(min_length=1)
    now: str = Field(NOW, description="Receive time of the first event; each further one comes a second later")
    given: tuple[dict[str, Any], ...] = Field(min_length=1)
    expect: dict[str, Any] = Field(description="Outputs: destinations, resolved, blocked, invalid, violations, …")


class Cases(Model):
    """A test file."""

    topology: tuple[str, ...] = Field((), description="Topology files; left out: the one named like the test file")
    tests: tuple[Case, ...] = Field(min_length=1)


@dataclass(frozen=True)
class CaseFile:
    """A test file that was read. `node` has the same shape as the file."""

    path: Path
    topology: tuple[Path, ...]
    cases: Cases
    node: Node

    def case(self, index: int) -> Node:
        return self.node.find(("tests", index))[0]


def is_test_file(path: Path) -> bool:
    return path.name.endswith(TEST_SUFFIXES)


def find_test_files(paths: Iterable[Path]) -> list[Path]:
    """Test files among the paths and in the folders below them, each once. Raises FileError where there is none."""
    found: dict[Path, None] = {}
    problems = []
    for path in paths:
        inside = [path] if path.is_file() else sorted(p for p in path.rglob("*.test.y*ml") if is_test_file(p))
        if not inside or not all(map(is_test_file, inside)):
            got = "another file" if path.is_file() else "a folder without one" if path.is_dir() else "nothing there"
            problems.append(Problem(str(path), 0, 0, "", f"expected test files (*.test.yaml), got {got}"))
        found |= dict.fromkeys(inside)
    if problems:
        raise FileError(problems)
    return list(found)


def read_tests(path: Path) -> CaseFile:
    """Read a test file. Raises FileError with all problems of form; see `lint` for the rest."""
    document = read(path)
    node = tree(document, lambda text, _: text)
    if not isinstance(node.value, dict):
        raise FileError([node.problem("expected a mapping with tests, got something else")])
    cases, problems = validate(Cases, node)
    if cases is None:
        raise FileError(problems)
    files = tuple(path.parent / name for name in cases.topology) or (_beside(path, node),)
    return CaseFile(path, files, cases, node)


def _beside(path: Path, node: Node) -> Path:
    """`shop.yaml` of `shop.test.yaml`, and of `shop.orders.test.yaml` too."""
    stem = path.name[: -len(next(s for s in TEST_SUFFIXES if path.name.endswith(s)))]
    while True:
        for suffix in (".yaml", ".yml"):
            candidate = path.parent / f"{stem}{suffix}"
            if candidate.is_file():
                return candidate
        stem, dot, _ = stem.rpartition(".")
        if not dot:
            raise FileError(
                [node.problem("expected a topology file of the same name, or the key topology, got neither")]
            )


def lint(tests: CaseFile, sources: Collection[str], destinations: Collection[str]) -> list[Problem]:
    """Names and times in a test file that can mean nothing."""
    return [*_same_names(tests), *_lint_given(tests, sources), *_lint_expect(tests, destinations)]


def _same_names(tests: CaseFile) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, case in enumerate(tests.cases.tests):
        if case.name in seen:
            yield tests.case(index).find(("name",))[0].problem("expected a name of its own, got one that is taken")
        seen.add(case.name)


def _lint_given(tests: CaseFile, sources: Collection[str]) -> Iterator[Problem]:
    for index, case in enumerate(tests.cases.tests):
        node = tests.case(index)
        if milliseconds(case.now) is None:
            yield node.find(("now",))[0].problem(f"expected a time such as {NOW}, got {case.now}")
        for number, item in enumerate(case.given):
            at = node.find(("given", number))[0]
            source = item.get("source")
            if source is not None and not (isinstance(source, str) and source in sources):
                yield _unknown(at.find(("source",))[0], "a source", source, sources)
            if "at" in item and milliseconds(item["at"]) is None:
                yield at.find(("at",))[0].problem(f"expected a time such as {NOW}, got {item['at']}")
            if "raw" in item and set(item) - set(_OWN_KEYS):
                yield at.problem("expected raw or an event, got both")
            if "raw" in item and not isinstance(item["raw"], str):
                yield at.find(("raw",))[0].problem("expected a text, got something else")


def _lint_expect(tests: CaseFile, destinations: Collection[str]) -> Iterator[Problem]:
    known = [*OUTPUTS, *destinations, *(f"dest.{name}" for name in destinations)]
    for index, case in enumerate(tests.cases.tests):
        expect = tests.case(index).find(("expect",))[0]
        for output, value in case.expect.items():
            at = expect.find((output,))[0]
            count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            if output not in known:
                yield _unknown(at, "an output", output, known, at_key=True)
            elif output == "duplicates" and not count:
                yield at.problem("expected a count, got something else")
            elif not count and not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
                yield at.problem("expected a list of mappings or a count, got something else")


def _unknown(
    at: Node, what: str, name: Any, known: Sequence[str] | Collection[str], *, at_key: bool = False
) -> Problem:
    hint = nearest(name, known) if isinstance(name, str) else ""
    return at.problem(f"expected {what if hint else 'one of ' + ', '.join(known)}, got {name}", hint, at_key=at_key)
