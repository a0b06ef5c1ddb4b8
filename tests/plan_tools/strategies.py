"""Plans as hypothesis makes them: schemas of the kind that plans hold, sound by construction."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from router.plan.model import Example, Plan, Rule

NAMES = st.sampled_from(("a", "b", "c", "total", "order_id", "x-y", "z z"))
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp", "Cn", "Co", "Cf")), max_size=12
)
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from((0.5, 1.5, "a", "b", ""))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)


def _optional(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=strategies)


STRINGS = _optional(
    minLength=st.integers(0, 2),
    maxLength=st.integers(1, 4),
    pattern=st.sampled_from(("^a", "b$", "^[a-z]*$")),
    enum=st.lists(st.sampled_from(("a", "b", "c", "ab")), min_size=1, max_size=3, unique=True),
    format=st.sampled_from(("date-time", "email", "uri")),
).map(lambda schema: {"type": "string", **schema})
NUMBERS = st.tuples(
    st.sampled_from(("number", "integer")),
    _optional(
        minimum=st.integers(-3, 3),
        maximum=st.integers(-3, 3),
        exclusiveMinimum=st.integers(-3, 3),
        exclusiveMaximum=st.integers(-3, 3),
        multipleOf=st.sampled_from((1, 2, 0.5)),
    ),
).map(lambda pair: {"type": pair[0], **pair[1]})
PLAIN = st.sampled_from(
    (
        {},
        True,
        {"type": "boolean"},
        {"type": ["string", "null"]},
        {"const": 1},
        {"enum": [1, "a", None]},
        {"type": "object"},
    )
)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(
        st.dictionaries(NAMES, inner, max_size=3),
        _optional(
            required=st.lists(NAMES, max_size=2, unique=True),
            additionalProperties=st.booleans(),
            minProperties=st.integers(0, 1),
            maxProperties=st.integers(1, 3),
        ),
    ).map(lambda pair: {"type": "object", "properties": pair[0], **pair[1]})


def _arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    optional = _optional(items=inner, minItems=st.integers(0, 1), maxItems=st.integers(1, 3), uniqueItems=st.just(True))
    return optional.map(lambda schema: {"type": "array", **schema})


def _joined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    some = st.lists(inner, min_size=1, max_size=2)
    return (
        st.builds(lambda parts: {"allOf": parts}, some)
        | st.builds(lambda parts: {"anyOf": parts}, some)
        | st.builds(lambda parts: {"oneOf": parts}, some)
        | st.builds(lambda part: {"not": part}, inner)
        | st.builds(lambda one, two: {"if": one, "then": two}, inner, inner)
    )


SCHEMAS = st.recursive(
    PLAIN | STRINGS | NUMBERS,
    lambda inner: _objects(inner) | _arrays(inner) | _joined(inner),
    max_leaves=6,
)
SECTIONS = _objects(SCHEMAS) | _joined(_objects(SCHEMAS))
EXAMPLES = st.lists(
    st.builds(Example, VALUES) | st.builds(Example, VALUES, st.just(False), st.just(("/a",)), WORDS), max_size=2
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    call_type = draw(st.sampled_from(("track", "page", "identify", "alias")))
    name = draw(st.sampled_from(("Order Completed", "Home", "Wörld 'x'"))) if call_type in ("track", "page") else None
    if call_type == "page":
        name = draw(st.none() | st.just(name))
    own = {"identify": "traits", "alias": "message"}.get(call_type, "properties")
    schemas: dict[str, Any] = {}
    if call_type != "alias" and draw(st.booleans()):
        schemas[own] = draw(SECTIONS | st.booleans())
    if draw(st.booleans()):
        schemas["context"] = draw(_objects(SCHEMAS))
    if draw(st.booleans()):
        schemas["message"] = draw(_objects(SCHEMAS))
    return Rule(
        call_type,
        name,
        draw(st.integers(1, 3)) if call_type in ("track", "page") else 1,
        draw(WORDS),
        draw(WORDS),
        draw(WORDS),
        draw(st.dictionaries(st.sampled_from(("team", "x")), st.sampled_from(("growth", "", "1")), max_size=2)),
        schemas,
        tuple(sorted(draw(EXAMPLES), key=lambda example: not example.valid)),
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    listed = draw(st.lists(rules(), max_size=4))
    found = {(rule.type, rule.name, rule.version): rule for rule in listed}
    common = draw(st.just({}) | st.fixed_dictionaries({"context": _objects(SCHEMAS)}))
    owners = draw(st.lists(st.sampled_from(("me", "you")), max_size=2, unique=True))
    return Plan("Plan of äll", tuple(found.values()), draw(WORDS), tuple(owners), {"product": "shop"}, common=common)
