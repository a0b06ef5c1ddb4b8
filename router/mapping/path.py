"""Paths into JSON: `properties.products.0.sku`, `traits.a\\.b` for a name with a dot, `$` for the whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from router.errors import RouterError

MAX_PARTS = 32
_PART = re.compile(r"(?:\\.|[^.\\])+")


class Missing:
    """The one value that says: there is nothing here. JSON null is a value."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()
Read = Callable[[Any], Any]


class MappingError(RouterError):
    """A path, template or expression that cannot be compiled. `at` is its place inside the mapping, with dots."""

    def __init__(self, at: str, problem: str) -> None:
        super().__init__(f"{at}: {problem}" if at else problem)
        self.at = at
        self.problem = problem


def parts_of(text: str) -> tuple[str, ...]:
    """The names of a path, in order; none for `$`. Raises MappingError."""
    if text == "$":
        return ()
    parts = _PART.findall(text)
    if not parts or ".".join(parts) != text or len(parts) > MAX_PARTS:
        raise MappingError("", f"expected a path such as properties.total (at most {MAX_PARTS} names), got {text!r}")
    return tuple(re.sub(r"\\(.)", r"\1", part) for part in parts)


def compile_path(text: str) -> Read:
    """A function from a JSON value to what lies at the path, or MISSING. Raises MappingError."""
    parts = parts_of(text)
    if len(parts) == 1:
        return one_name(parts[0])

    def read(value: Any) -> Any:
        for name in parts:
            value = _step(value, name)
            if value is MISSING:
                return MISSING
        return value

    return read


def one_name(name: str) -> Callable[..., Any]:
    """Most paths are one name in an object: columns of a row, fields of an event. `problems` are not looked at."""

    def read(value: Any, problems: object = None) -> Any:
        return value.get(name, MISSING) if type(value) is dict else _step(value, name)

    return read


def put(target: dict[str, Any], parts: tuple[str, ...], value: Any) -> None:
    """Set a nested value; what stands in the way of an object is replaced by one."""
    *path, last = parts
    for name in path:
        inner = target.get(name)
        if not isinstance(inner, dict):
            inner = target[name] = {}
        target = inner
    target[last] = value


def _step(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name, MISSING)
    if isinstance(value, list) and name.isascii() and name.isdigit():
        index = int(name)
        return value[index] if index < len(value) else MISSING
    return MISSING


def nested(fields: Mapping[str, str], path_of: Callable[[str], Sequence[str]]) -> dict[str, Any]:
    """Named texts as one object: `{"a.b": "1"}` is `{"a": {"b": "1"}}`. Of two that clash the later stays."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        *path, last = path_of(name)
        place = found
        for part in path:
            inner = place.get(part)
            if type(inner) is not dict:
                inner = place[part] = {}
            place = inner
        place[last] = value
    return found
