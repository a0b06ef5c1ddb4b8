"""Expressions as values of configuration models: a fault is an error at its own place inside the value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from router.mapping.path import MappingError

_ITEM = re.compile(r"\[(\d+)\]")


def compiled(compile_: Callable[[Any], Any], given: Any) -> Any:
    """What `compile_` makes of the value. Raises ValidationError for a MappingError, to be raised by a validator."""
    try:
        return compile_(given)
    except MappingError as error:
        place = place_of(given, error.at)
        problem = error.problem if ", got " in error.problem else f"{error.problem}, got another form"
        message = PydanticCustomError("mapping", "{problem}", {"problem": problem})
        raise ValidationError.from_exception_data(
            "mapping", [{"type": message, "loc": place, "input": value_at(given, place)}]
        ) from None


def place_of(given: Any, at: str) -> tuple[str | int, ...]:
    """The keys and indexes that lead to a place as MappingError has it; names in it may have dots themselves."""
    rest = at.removeprefix(".")
    if isinstance(given, Mapping):
        names = [name for name in map(str, given) if rest == name or rest.startswith((f"{name}.", f"{name}["))]
        if names:
            name = max(names, key=len)
            return (name, *place_of(given[name], rest[len(name) :]))
    if isinstance(given, list) and (item := _ITEM.match(rest)) and int(item[1]) < len(given):
        return (int(item[1]), *place_of(given[int(item[1])], rest[item.end() :]))
    return ()


def value_at(given: Any, place: tuple[str | int, ...]) -> Any:
    """The value at a place that `place_of` found."""
    for part in place:
        given = given[part]
    return given
