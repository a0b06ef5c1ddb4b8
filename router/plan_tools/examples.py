"""Runs the examples of a plan: valid ones must conform, invalid ones must fail where they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from router.document import Pointer, json_pointer
from router.errors import Problem
from router.plan.compile import CompiledPlan
from router.plan.model import NAMED, Example, Rule


class ExampleResult(NamedTuple):
    """One example, its place in the rule's file, and what is wrong with it (nothing: it holds)."""

    rule: Rule
    example: Example
    path: Pointer
    wrong: tuple[str, ...]


class _Fault(NamedTuple):
    pointer: str
    parent: str
    message: str


def run_examples(compiled: CompiledPlan) -> Iterator[ExampleResult]:
    """Every example of every rule. An example of `properties` is held against the common schema of properties too."""
    for rule in compiled.plan.rules:
        numbers = {True: 0, False: 0}
        for example in rule.examples:
            path = ("examples", "valid" if example.valid else "invalid", numbers[example.valid])
            numbers[example.valid] += 1
            yield ExampleResult(rule, example, path, tuple(_wrong(compiled, rule, example)))


def problems(compiled: CompiledPlan, results: list[ExampleResult]) -> list[Problem]:
    """What is wrong with the examples of a plan that was read from files."""
    documents = compiled.plan.documents
    return [documents[result.rule.file].problem(result.path, message) for result in results for message in result.wrong]


def _wrong(compiled: CompiledPlan, rule: Rule, example: Example) -> Iterator[str]:
    faults = list(_faults(compiled, rule, example.value))
    if example.valid:
        for fault in faults:
            yield f"expected an example that conforms, got a violation at {fault.pointer or '(root)'}: {fault.message}"
    elif not faults:
        yield "expected an example that violates the rule, got one that conforms"
    else:
        found = {fault.pointer for fault in faults}
        for pointer in example.fails:
            if pointer not in found | {fault.parent for fault in faults}:
                yield f"expected a violation at {pointer or '(root)'}, got violations at {', '.join(sorted(found))}"


def _faults(compiled: CompiledPlan, rule: Rule, value: Any) -> Iterator[_Fault]:
    """The violations inside the example. The parent of a missing property counts as its place too."""
    inside = () if rule.section == "message" else (rule.section,)
    for violation, path in compiled.find(event_of(rule, value)).findings(event_of(rule, value)):
        if path[: len(inside)] == inside:
            pointer = json_pointer(path[len(inside) :])
            parent = json_pointer(path[len(inside) : -1]) if violation.type == "Required" else pointer
            yield _Fault(pointer, parent, violation.message)


def event_of(rule: Rule, value: Any) -> dict[str, Any]:
    """An event of the rule's type, name and version around a value of its section."""
    if rule.section == "message":
        event = dict(value) if isinstance(value, dict) else {}
    else:
        event = {rule.section: value, "context": {"protocols": {"event_version": rule.version}}}
    event["type"] = rule.type
    if rule.name:
        event[NAMED[rule.type]] = rule.name
    return event
