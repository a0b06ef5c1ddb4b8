"""Runs test cases: the real pipeline over state in memory, message by message, each case from nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.config.loader import Loaded
from router.errors import Problem
from router.topology_tests.case_router import CaseRouter
from router.topology_tests.cases import CaseFile
from router.topology_tests.match import difference, mismatches

_SUMMARY = ("type", "event", "name", "userId", "anonymousId", "messageId", "reason", "path", "destination", "count")


@dataclass(frozen=True)
class CaseOutcome:
    """How one case ended: `problems` name each mismatch by its place in the test file, `differences` show the lists."""

    name: str
    file: str
    line: int
    problems: tuple[Problem, ...]
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "file": self.file,
            "line": self.line,
            "passed": self.passed,
            "problems": [problem.as_dict() for problem in self.problems],
            "differences": list(self.differences),
        }


def run(tests: CaseFile, loaded: Loaded) -> list[CaseOutcome]:
    """All cases of a file that has been linted, in order."""
    return [_outcome(tests, index, CaseRouter(loaded).outputs(case)) for index, case in enumerate(tests.cases.tests)]


def _outcome(tests: CaseFile, index: int, outputs: Mapping[str, Any]) -> CaseOutcome:
    node = tests.case(index)
    case = tests.cases.tests[index]
    problems: list[Problem] = []
    differences = []
    for name, expected in case.expect.items():
        got = outputs[name]
        if isinstance(expected, int) and isinstance(got, list):
            got = len(got)
        found = [(("expect", name, *path), message) for path, message in mismatches(expected, got)]
        problems += [node.find(path)[0].problem(message, below=node.find(path)[1]) for path, message in found]
        if found and isinstance(expected, list):
            differences.append(f"{name}\n{difference(expected, got, _SUMMARY)}")
    line = node.document.locate(node.pointer)[0]
    return CaseOutcome(case.name, node.document.file, line, tuple(problems), tuple(differences))
