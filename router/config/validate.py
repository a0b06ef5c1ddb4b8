"""A part of the tree read as a model: an instance, or every problem with its place."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from router.config.explain import EXPECTED, problem_of
from router.config.substitution import Scalar
from router.config.tree import Node
from router.errors import Problem

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], node: Node) -> tuple[M | None, list[Problem]]:
    """Strict as JSON is: a number is no text, `yes` is no boolean.

    A substituted scalar that does not fit moves on to its next candidate, until all fit or none is left.
    """
    while True:
        text = json.dumps(node.plain())
        try:
            return model.model_validate_json(text, strict=True), []
        except ValidationError as error:
            details = error.errors(include_url=False)
        values = [node.find(d["loc"])[0].value for d in details]
        scalars = {id(value): value for value in values if isinstance(value, Scalar)}
        advanced = [scalar for scalar in scalars.values() if scalar.advance()]
        if not advanced:
            return None, _joined([(d, problem_of(d, model, node)) for d in details if not _echo(d, details)])


def _echo(error: ErrorDetails, others: Sequence[ErrorDetails]) -> bool:
    """Faulty items are not counted, so that their list seems too short as well."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(
        o["loc"][: len(loc)] == loc and len(o["loc"]) > len(loc) for o in others
    )


def _joined(found: Sequence[tuple[ErrorDetails, Problem]]) -> list[Problem]:
    """The problems, where several forms may stand: of the form that was tried, or one that names all of them."""
    of_a_form = {path for _, problem in found for path in _around(problem.path)}
    of_a_form.update(problem.path for error, problem in found if error["type"] not in EXPECTED)
    problems: dict[tuple[str, str], Problem] = {}
    expected: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for error, problem in found:
        form, path = EXPECTED.get(error["type"]), problem.path
        if form is None:
            problems[path, problem.message] = problem
        elif path not in of_a_form:
            expected[path][form] = None
            got = problem.message.partition(", got ")[2]
            problems[path, ""] = replace(problem, message=f"expected {_or([*expected[path]])}, got {got}")
    return [*problems.values()]


def _around(path: str) -> Iterator[str]:
    """The paths of the values that the value at this one is inside of."""
    return (path[:at] for at, character in enumerate(path) if character in ".[")


def _or(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
