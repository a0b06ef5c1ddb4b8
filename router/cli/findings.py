"""What a command found whose purpose is to find problems: on stdout, as text or for a program that reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import quote

from router import __version__
from router.errors import Problem

DiagnosticFormat = Literal["text", "json", "github", "sarif"]
Level = Literal["error", "warning", "info"]
SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
_GITHUB: Mapping[Level, str] = {"error": "error", "warning": "warning", "info": "notice"}
_SARIF: Mapping[Level, str] = {"error": "error", "warning": "warning", "info": "note"}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A problem, how grave it is, and the id of the rule that it breaks; empty where the rules have none."""

    problem: Problem
    level: Level = "error"
    rule: str = ""


def errors(problems: Iterable[Problem]) -> list[Diagnostic]:
    return [Diagnostic(problem) for problem in problems]


def rendered(found: Iterable[Diagnostic], form: DiagnosticFormat) -> Iterator[str]:
    """The lines of a format: `github` are annotations of a workflow, `sarif` is one SARIF 2.1.0 document."""
    return _FORMS[form](found)


def _text(found: Iterable[Diagnostic]) -> Iterator[str]:
    for each in found:
        level = f"{each.level}: " if each.level != "error" or each.rule else ""
        yield f"{level}{each.problem}" + (f" [{each.rule}]" if each.rule else "")


def _json(found: Iterable[Diagnostic]) -> Iterator[str]:
    objects = [{"level": each.level, "rule": each.rule, **each.problem.as_dict()} for each in found]
    yield json.dumps({"findings": objects}, ensure_ascii=False, indent=2)


def _github(found: Iterable[Diagnostic]) -> Iterator[str]:
    for each in found:
        problem = each.problem
        place = {"file": problem.file, "line": problem.line, "col": problem.column, "title": each.rule}
        shown = ",".join(f"{name}={_property(str(value))}" for name, value in place.items() if value)
        yield f"::{_GITHUB[each.level]} {shown}::{_data(_message(problem))}"


def _sarif(found: Iterable[Diagnostic]) -> Iterator[str]:
    results = [_result(each) for each in found]
    rules = [{"id": name} for name in dict.fromkeys(result["ruleId"] for result in results)]
    driver = {"name": "event-router", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    yield json.dumps({"$schema": SARIF, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2)


def _result(each: Diagnostic) -> dict[str, Any]:
    problem = each.problem
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(PurePath(problem.file).as_posix())}}
    if problem.line:
        place["region"] = {"startLine": problem.line} | ({"startColumn": problem.column} if problem.column else {})
    location: dict[str, Any] = {"physicalLocation": place}
    if problem.path:
        location["logicalLocations"] = [{"fullyQualifiedName": problem.path}]
    return {
        "ruleId": each.rule or "problem",
        "level": _SARIF[each.level],
        "message": {"text": _message(problem)},
        "locations": [location],
    }


def _message(problem: Problem) -> str:
    """Without the place, which stands beside it."""
    hint = f" (did you mean {problem.hint}?)" if problem.hint else ""
    return f"{problem.path or '(root)'}: {problem.message}{hint}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


_FORMS: Mapping[DiagnosticFormat, Callable[[Iterable[Diagnostic]], Iterator[str]]] = {
    "text": _text, "json": _json, "github": _github, "sarif": _sarif,
}  # fmt: skip
