"""A part of the tree read as a model: an instance, or every problem with its place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from router.config.explain import problem_of
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
            return None, [problem_of(d, model, node) for d in details if not _echo(d, details)]


def _echo(error: ErrorDetails, others: Sequence[ErrorDetails]) -> bool:
    """Faulty items are not counted, so that their list seems too short as well."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(
        o["loc"][: len(loc)] == loc and len(o["loc"]) > len(loc) for o in others
    )
