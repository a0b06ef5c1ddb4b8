"""Values that are likely to conform to a schema, and schemas that differ a little from another one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.plan_tools.strategies import SCHEMAS, VALUES

TEXTS = st.sampled_from(
    ("", "a", "b", "ab", "aab", "abcd", "xyz12", "a@b.example", "https://a.example/", "2026-01-01T00:00:00Z")
)
NUMBERS = st.integers(-5, 5) | st.sampled_from((0.5, -1.5, 2.5, 10))
BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXTS,
    "number": NUMBERS,
    "integer": st.integers(-5, 5),
    "boolean": st.booleans(),
    "null": st.none(),
}


def instances(schema: Any) -> st.SearchStrategy[Any]:
    """Values near a schema; not all conform."""
    if not isinstance(schema, dict) or not schema:
        return VALUES
    if "enum" in schema or "const" in schema:
        return st.sampled_from([*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])])
    parts = [instances(part) for keyword in ("allOf", "anyOf", "oneOf") for part in schema.get(keyword, ())]
    parts += [instances(schema[keyword]) for keyword in ("if", "then") if keyword in schema]
    found = [_merged(parts)] if parts else []
    types = schema.get("type", [])
    for name in [types] if isinstance(types, str) else types:
        found.append(_of_type(name, schema))
    return st.one_of(*found) if found else VALUES


def _of_type(name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if name == "array":
        return st.lists(instances(schema.get("items", True)), max_size=3)
    if name != "object":
        return BY_TYPE[name]
    own = {key: instances(inner) for key, inner in schema.get("properties", {}).items()}
    needed = {key: own.get(key, VALUES) for key in schema.get("required", ())}
    optional = {key: strategy for key, strategy in own.items() if key not in needed}
    return st.fixed_dictionaries(needed, optional=optional)


def _merged(parts: list[st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of the parts, or all objects among them put together."""

    def merge(values: tuple[Any, ...]) -> Any:
        if all(isinstance(value, dict) for value in values):
            return {key: item for value in values for key, item in value.items()}
        return values[-1]

    return st.one_of(*parts, st.tuples(*parts).map(merge))


@st.composite
def changed(draw: st.DrawFn, schema: Any) -> Any:
    """The schema with one or two small changes somewhere in it."""
    copy = deepcopy(schema)
    for _ in range(draw(st.integers(1, 2))):
        copy = _change(draw, copy)
    return copy


def _change(draw: st.DrawFn, schema: Any) -> Any:
    if not isinstance(schema, dict) or not schema or draw(st.integers(0, 9)) == 0:
        return draw(SCHEMAS)
    keyword = draw(st.sampled_from(sorted(schema)))
    value = schema[keyword]
    if keyword == "properties":
        name = draw(st.sampled_from(sorted({*value, "a", "total"})))
        if name in value and draw(st.booleans()):
            schema[keyword] = {key: _change(draw, inner) if key == name else inner for key, inner in value.items()}
        elif name in value:
            schema[keyword] = {key: inner for key, inner in value.items() if key != name}
        else:
            schema[keyword] = {**value, name: draw(SCHEMAS)}
    elif keyword in ("items", "not", "if", "then"):
        schema[keyword] = _change(draw, value)
    elif keyword in ("allOf", "anyOf", "oneOf"):
        where = draw(st.integers(0, len(value)))
        schema[keyword] = (
            [*value[:where], draw(SCHEMAS), *value[where:]]
            if draw(st.booleans())
            else [_change(draw, part) if number == where else part for number, part in enumerate(value)]
        )
    elif keyword == "required":
        schema[keyword] = draw(st.lists(st.sampled_from(("a", "b", "total")), max_size=2, unique=True))
    elif isinstance(value, int) and not isinstance(value, bool):
        schema[keyword] = max(0, value + draw(st.sampled_from((-1, 1)))) or 1
    elif keyword == "enum":
        schema[keyword] = [*value, "extra"] if draw(st.booleans()) else value[:1]
    elif keyword == "type":
        wider = {"integer": "number", "string": ["string", "null"], "number": "integer"}
        schema[keyword] = wider.get(value, value) if isinstance(value, str) else "string"
    else:
        del schema[keyword]
    return schema
