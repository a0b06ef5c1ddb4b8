"""The constants of an expression with literal texts: what stands in the topology, and not in the event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from router.mapping.expression import FORMS
from router.mapping.template import json_text, text_of, with_literals


def with_constants(given: Any, replaced: Callable[[str], str]) -> Any:
    """The expression with each constant (as text) replaced; paths, true, false and null stay."""
    if isinstance(given, Mapping):
        form = next((form for form in FORMS if form in given), None)
        return _form(given, form, replaced) if form else {k: with_constants(v, replaced) for k, v in given.items()}
    if isinstance(given, list):
        return [with_constants(item, replaced) for item in given]
    return given if given is None or isinstance(given, bool) else replaced(text_of(given))


def _form(given: Mapping[str, Any], form: str, replaced: Callable[[str], str]) -> Any:
    match form:
        case "value":  # without its conversion: what replaces the constant need not convert
            value = given["value"]
            return {"value": with_constants(value, replaced) if _scalar(value) else replaced(json_text(value))}
        case "template":
            return {"template": with_literals(str(given["template"]), replaced)}
        case "first":
            paths = [one if isinstance(one, str) else with_constants(one, replaced) for one in given["first"]]
            return {**given, "first": paths}
        case "each":
            return {**given, "map": with_constants(given["map"], replaced)}
        case _:
            return given


def _scalar(value: Any) -> bool:
    return not isinstance(value, dict | list)
