"""A part of the tree read as a model: an instance, or every problem with its place."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError

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
            return None, [problem_of(d, model, node) for d in details]
