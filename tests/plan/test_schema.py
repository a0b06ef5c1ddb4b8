"""The JSON Schemas of a plan's files say what the reader says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ops.running import ROOT
from router.document import parse
from router.errors import Problem
from router.plan.load import collect
from router.plan.schema import PlanFile, plan_schema
from router.plan.shape import read_common, read_plan_file, read_rule


def kind_of(path: Path) -> PlanFile:
    return "plan" if path.name == "plan.yaml" else "common" if path.name == "common.yaml" else "rule"


def errors(file: PlanFile, data: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(plan_schema(file))
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(data)]


@pytest.mark.parametrize("folder", sorted((ROOT / "schemas").glob("*/")), ids=lambda path: path.name)
def test_every_file_of_the_shipped_plans_conforms(folder: Path) -> None:
    names = [name for name in collect(folder)[0] if not name.startswith("defs/")]

    assert len(names) > 3
    found = {name: errors(kind_of(folder / name), parse((folder / name).read_bytes(), name).data) for name in names}
    assert {name: all_ for name, all_ in found.items() if all_} == {}


def read(file: PlanFile, text: str) -> list[Problem]:
    """What the reader reports of a file."""
    problems: list[Problem] = []
    document = parse(text.encode(), "events/x.yaml")
    if file == "plan":
        read_plan_file(document, problems)
    elif file == "common":
        read_common(document, problems)
    else:
        read_rule("events/x.yaml", document, problems)
    return problems


@pytest.mark.parametrize(
    ("file", "text", "inside"),
    [
        ("plan", "nope: 1", ()), ("plan", "naming: {nope: 1}", ("naming",)), ("common", "nope: 1", ()),
        ("rule", "{type: track, event: A, nope: 1}", ()),
        ("rule", "{type: page, nope: 1}", ()),
        ("rule", "{type: track, event: A, examples: {nope: 1}}", ("examples",)),
        ("rule", "{type: track, event: A, examples: {invalid: [{value: 1, nope: 1}]}}", ("examples", "invalid")),
    ],
)  # fmt: skip
def test_the_reader_and_the_schema_know_the_same_keys(file: PlanFile, text: str, inside: tuple[str, ...]) -> None:
    (problem,) = read(file, text)
    known = set(problem.message.removeprefix("expected one of ").partition(", got")[0].split(", "))
    schema = plan_schema(file)
    for key in inside:
        schema = schema["properties"][key]
        schema = schema.get("items", schema)
    keys = set(schema["properties"])
    if file == "rule" and not inside:
        keys -= {"name"} if "track" in text else {"event"}

    assert keys == known
    assert errors(file, parse(text.encode(), "x").data) != []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("plan", "name: ''"), ("plan", "naming: {events: kebab}"), ("plan", "naming: {rules: {x: loud}}"),
        ("plan", "owners: 3"), ("plan", "labels: 3"), ("common", "context: text"), ("rule", "{type: trak}"),
        ("rule", "type: track"), ("rule", "{type: track, event: A, version: 0}"), ("rule", "{type: page, event: A}"),
        ("rule", "{type: track, event: A, properties: text}"), ("rule", "{type: track, event: A, examples: [1]}"),
        ("rule", "{type: track, event: A, examples: {invalid: [{fails: /a}]}}"),
    ],
)  # fmt: skip
def test_what_the_reader_refuses_the_schema_refuses(file: PlanFile, text: str) -> None:
    assert read(file, text) != []
    assert errors(file, parse(text.encode(), "x").data) != []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("plan", "{name: a, owners: one, labels: [x], x-own: 1}"),
        ("plan", "naming: {synonyms: {a: [b]}, allow: c, rules: {y: off}}"),
        ("common", "{description: d, context: true, message: {type: object}}"),
        ("rule", "{type: page, labels: {a: 1}, properties: {}, examples: {invalid: [{value: 1, fails: /a}]}}"),
        ("rule", "{type: alias, message: {}, x-note: y}"),
    ],
)  # fmt: skip
def test_what_the_reader_takes_the_schema_takes(file: PlanFile, text: str) -> None:
    assert read(file, text) == []
    assert errors(file, parse(text.encode(), "x").data) == []
