"""What a pydantic error says, in the words of this project: expected …, got …, did you mean …?

A value is shown only when it stands in the file and its field is no secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic_core import ErrorDetails

from router.config.tree import Node
from router.document import nearest
from router.errors import Problem

MASKED = "a value that is not shown"
_NAME_PATTERN = r"^[a-z][a-z0-9-]{0,47}$"
_SHOWN_KEYS = 12

EXPECTED: dict[str, str] = {
    "string_type": "a text",
    "path_type": "a path",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "url_type": "a URL",
    "none_required": "nothing",
}
_BOUNDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda c: f"at least {c['ge']}",
    "greater_than": lambda c: f"more than {c['gt']}",
    "less_than_equal": lambda c: f"at most {c['le']}",
    "less_than": lambda c: f"less than {c['lt']}",
    "multiple_of": lambda c: f"a multiple of {c['multiple_of']}",
    "string_too_short": lambda c: f"a text of at least {c['min_length']} characters",
    "string_too_long": lambda c: f"a text of at most {c['max_length']} characters",
    "too_short": lambda c: f"a list of at least {c['min_length']}",
    "too_long": lambda c: f"a list of at most {c['max_length']}",
    "literal_error": lambda c: c["expected"].replace("'", ""),
    "enum": lambda c: c["expected"].replace("'", ""),
    "url_parsing": lambda c: f"a URL ({c['error']})",
    "url_scheme": lambda c: f"a URL with the scheme {c['expected_schemes']}".replace("'", ""),
    "union_tag_invalid": lambda c: f"one of {c['expected_tags']}".replace("'", ""),
}


def problem_of(error: ErrorDetails, model: type[BaseModel], node: Node) -> Problem:
    """One problem for one error of validating `node` as `model`, at the value's place."""
    loc = tuple(part for part in error["loc"] if part != "[key]")
    at, rest = node.find(loc)
    if error["type"] == "extra_forbidden":
        return _unknown_key(at, str(loc[-1]), model_at(model, loc[:-1]))
    if error["type"] == "missing":
        return at.problem("expected a value, got nothing", below=rest)
    got = (
        MASKED if is_secret(model, loc) or (not rest and any(s.secret for s in at.scalars())) else shown(error["input"])
    )
    if error["type"] in ("too_short", "too_long"):
        got = str(error["ctx"]["actual_length"])
    at_key = "[key]" in error["loc"]
    expected = _expected(error)
    if expected is None:
        return at.problem(_own_words(error, got, at), at_key=at_key)
    return at.problem(f"expected {expected}, got {got}", _hint(error, got), at_key=at_key)


def _expected(error: ErrorDetails) -> str | None:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "string_pattern_mismatch":
        if context["pattern"] == _NAME_PATTERN:
            return "a name of at most 48 lower-case letters, digits and hyphens that begins with a letter"
        return f"a text that matches {context['pattern']}"
    if kind in _BOUNDS:
        return _BOUNDS[kind](context)
    return EXPECTED.get(kind)


def _hint(error: ErrorDetails, got: str) -> str:
    value = error["input"]
    if got == MASKED or not isinstance(value, str):
        return ""
    if error["type"] == "literal_error":
        return nearest(value, re.findall(r"'([^']*)'", error["ctx"]["expected"]))
    if error.get("ctx", {}).get("pattern") == _NAME_PATTERN:
        name = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")
        return name if re.match(_NAME_PATTERN, name) else ""
    return ""


def _own_words(error: ErrorDetails, got: str, at: Node) -> str:
    """The message of a validator of ours (already of the right form), or pydantic's where the tables have none."""
    message = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if got == MASKED:
        message = re.sub(r", got .*", f", got {MASKED}", message, flags=re.DOTALL)
    for scalar in at.scalars():
        if scalar.secret and str(scalar.value):
            message = message.replace(str(scalar.value), "…")
    if not message.startswith("expected"):
        return f"expected a valid value ({message}), got {got}"
    return message if ", got " in message else f"{message}, got {got}"


def _unknown_key(at: Node, key: str, model: type[BaseModel] | None) -> Problem:
    known = keys(model) if model else []
    if model is not None and model.__name__ == "Topology":
        known = [*known, "defaults", "include"]
    hint = nearest(key, known)
    choice = f"one of {', '.join(known)}" if known and not hint and len(known) <= _SHOWN_KEYS else "a known key"
    return at.problem(f"expected {choice}, got {key}", hint, at_key=True)


def keys(model: type[BaseModel]) -> list[str]:
    """The keys of a model as files spell them."""
    return [field.alias or name for name, field in model.model_fields.items()]


def shown(value: Any) -> str:
    """A value as an error message shows it: scalars as in YAML, cut at 60 characters; nothing of what is inside."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


def model_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The model that the value at `loc` is read as, or None where there is no model."""
    found: type[BaseModel] | None = model
    for annotation in _annotations(model, loc):
        found = _model_in(annotation)
    return found


def is_secret(model: type[BaseModel], loc: tuple[str | int, ...]) -> bool:
    """Whether the value at `loc` lies in a field whose type holds a SecretStr."""
    return any(SecretStr in _flat(annotation) for annotation in _annotations(model, loc))


def _annotations(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[Any]:
    """The annotations of the fields along `loc`; steps into lists and dicts repeat the annotation of their field."""
    found: list[Any] = []
    current: type[BaseModel] | None = model
    for part in loc:
        field = next((f for n, f in current.model_fields.items() if part == (f.alias or n)), None) if current else None
        if field is not None:
            found.append(field.annotation)
        elif not found or not _is_container(found[-1]):
            found.append(None)
        current = _model_in(found[-1])
    return found


def _flat(annotation: Any) -> list[Any]:
    """The annotation and everything it is built from, models not entered."""
    return [annotation, *(inner for argument in get_args(annotation) for inner in _flat(argument))]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    return next((a for a in _flat(annotation) if isinstance(a, type) and issubclass(a, BaseModel)), None)


def _is_container(annotation: Any) -> bool:
    return bool({getattr(a, "__origin__", a) for a in _flat(annotation)} & {dict, list, tuple})
