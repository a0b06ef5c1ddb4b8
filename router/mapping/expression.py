"""Expressions: where a value comes from, and in which form it goes out.

`properties.total` is a path of the event; `{value: gold}` a constant; `{template: "{event} by {userId}"}` a text;
`{first: [a, b]}` the first that leads to something but null; `{path: timestamp, as: unix_seconds}` a conversion, or
several in a list; `{each: properties.products, map: {sku: sku}}` an object for each item, with paths inside the item;
an object of other names is an object of expressions. Where texts are literals (the body of an `http` destination), a
path is written `{path: …}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from router.mapping.conversions import CONVERSIONS, ConversionError
from router.mapping.path import MISSING, MappingError, Read, compile_path, one_name, parts_of
from router.mapping.template import compile_template

MAX_DEPTH = 16
FORMS = ("value", "path", "template", "first", "each")
Evaluate = Callable[[Any, list[str]], Any]  # event and problems (added to) to a value or MISSING


def compile_expression(given: Any, at: str = "", *, literal: bool = False, depth: int = 0) -> Evaluate:
    """`literal`: texts stand for themselves. Raises MappingError with the place inside `at`."""
    if depth > MAX_DEPTH:
        raise MappingError(at, f"expected at most {MAX_DEPTH} levels")
    if isinstance(given, str):
        return _constant(given) if literal else _path(given, at)
    if isinstance(given, Mapping):
        forms = [form for form in FORMS if form in given]
        return _form(given, forms, at, literal, depth) if forms else _object(given, at, literal, depth)
    if isinstance(given, Sequence):
        inner = [
            compile_expression(item, f"{at}[{number}]", literal=literal, depth=depth + 1)
            for number, item in enumerate(given)
        ]
        return lambda event, problems: [v for item in inner if (v := item(event, problems)) is not MISSING]
    if literal or given is None:
        return _constant(given)
    raise MappingError(at, f"expected a path, or {{value: {given}}} for a constant, got {given}")


def _form(given: Mapping[str, Any], forms: list[str], at: str, literal: bool, depth: int) -> Evaluate:
    form = forms[0]
    allowed = {form, "as", "map"} if form == "each" else {form, "as"}
    if unknown := [key for key in given if key not in allowed]:
        raise MappingError(at, f"expected {form} with nothing but as beside it, got {unknown[0]}")
    argument = given[form]
    if form == "value":
        inner = _constant(argument)
    elif form == "template":
        inner = _text(argument, f"{at}.template", compile_template)
    elif form == "path":
        inner = _text(argument, f"{at}.path", compile_path)
    elif form == "first":
        inner = _first(argument, f"{at}.first", literal, depth)
    else:
        inner = _each(given, at, literal, depth)
    return _converted(inner, given["as"], at) if "as" in given else inner


def _constant(value: Any) -> Evaluate:
    return lambda event, problems: value


def _path(text: str, at: str) -> Evaluate:
    return _text(text, at, compile_path)


def _text(text: Any, at: str, compiled: Callable[[str], Read]) -> Evaluate:
    if not isinstance(text, str):
        raise MappingError(at, f"expected a text, got {text}")
    try:
        if compiled is compile_path and len(parts := parts_of(text)) == 1:
            return one_name(parts[0])  # without a call between
        read = compiled(text)
    except MappingError as error:
        raise MappingError(at, error.problem) from None
    return lambda event, problems: read(event)


def _first(given: Any, at: str, literal: bool, depth: int) -> Evaluate:
    if not isinstance(given, list) or not given:
        raise MappingError(at, "expected a list of expressions")
    inner = [
        compile_expression(item, f"{at}[{number}]", literal=literal and not isinstance(item, str), depth=depth + 1)
        for number, item in enumerate(given)
    ]

    def read(event: Any, problems: list[str]) -> Any:
        for one in inner:
            value = one(event, problems)
            if value is not MISSING and value is not None:
                return value
        return MISSING

    return read


def _each(given: Mapping[str, Any], at: str, literal: bool, depth: int) -> Evaluate:
    if "map" not in given:
        raise MappingError(at, "expected map beside each: what is made of an item")
    items = _text(given["each"], f"{at}.each", compile_path)
    one = compile_expression(given["map"], f"{at}.map", literal=literal, depth=depth + 1)

    def read(event: Any, problems: list[str]) -> Any:
        found = items(event, problems)
        if not isinstance(found, list):
            return MISSING
        return [value for item in found if (value := one(item, problems)) is not MISSING]

    return read


def _object(given: Mapping[str, Any], at: str, literal: bool, depth: int) -> Evaluate:
    inner = {
        str(name): compile_expression(value, f"{at}.{name}" if at else str(name), literal=literal, depth=depth + 1)
        for name, value in given.items()
    }

    def read(event: Any, problems: list[str]) -> Any:
        found = {name: value for name, one in inner.items() if (value := one(event, problems)) is not MISSING}
        return found if found or not inner else MISSING

    return read


def _converted(inner: Evaluate, names: Any, at: str) -> Evaluate:
    listed = names if isinstance(names, list) else [names]
    steps = []
    for name in listed:
        if name not in CONVERSIONS:
            near = get_close_matches(str(name), CONVERSIONS, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise MappingError(f"{at}.as", f"expected one of {', '.join(CONVERSIONS)}, got {name}{hint}")
        steps.append(CONVERSIONS[name])
    if len(steps) == 1:
        return _converted_once(inner, steps[0], at)

    def read(event: Any, problems: list[str]) -> Any:
        value = inner(event, problems)
        for step in steps:
            if value is MISSING or value is None:
                return value
            try:
                value = step(value)
            except ConversionError as error:
                problems.append(f"{at}: {error}")
                return MISSING
        return value

    return read


def _converted_once(inner: Evaluate, step: Callable[[Any], Any], at: str) -> Evaluate:
    def read(event: Any, problems: list[str]) -> Any:
        value = inner(event, problems)
        if value is MISSING or value is None:
            return value
        try:
            return step(value)
        except ConversionError as error:
            problems.append(f"{at}: {error}")
            return MISSING

    return read
