"""What a compiled query runs: closures of an event and the name of its source, made of smaller ones.

Null is false to `and`, `or`, the whole query and comparisons by size, and true to `!`. Everything else of a type that
does not fit is a Mismatch, which ends the evaluation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from lark import Token

from router.fql.errors import Mismatch, MismatchSignal
from router.fql.functions import Function, type_name
from router.fql.nodes import CompareNode, LiteralNode

Run = Callable[[Mapping[str, Any], str], Any]
SIZES = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_ARTICLES = {"object": "an object", "null": "null"}


def reader(names: tuple[str, ...]) -> Run:
    """The value at a path; null where there is none, as below anything that is no object."""
    first, *rest = names
    if not rest:
        return lambda event, source: event.get(first)
    if len(rest) == 1:
        (second,) = rest

        def two(event: Mapping[str, Any], source: str) -> Any:
            section = event.get(first)
            return section.get(second) if type(section) is dict else None

        return two

    def many(event: Mapping[str, Any], source: str) -> Any:
        value = event.get(first)
        for name in rest:
            if type(value) is not dict:
                return None
            value = value.get(name)
        return value

    return many


def boolean(run: Run, at: Token) -> Run:
    def holds(event: Mapping[str, Any], source: str) -> bool:
        value = run(event, source)
        if value is True or value is False:
            return value
        return value is not None and _mismatch(at, "a bool", value)

    return holds


def every(runs: tuple[Run, ...]) -> Run:
    def holds(event: Mapping[str, Any], source: str) -> bool:
        for run in runs:  # noqa: SIM110 (a generator takes twice as long)
            if not run(event, source):
                return False
        return True

    return holds


def some(runs: tuple[Run, ...]) -> Run:
    def holds(event: Mapping[str, Any], source: str) -> bool:
        for run in runs:  # noqa: SIM110 (a generator takes twice as long)
            if run(event, source):
                return True
        return False

    return holds


def opposite(run: Run) -> Run:
    return lambda event, source: not run(event, source)


def by_size(node: CompareNode, left: Run, right: Run) -> Run:
    at, compare = node.at, SIZES[node.operator]
    if isinstance(node.right, LiteralNode):
        limit = node.right.value

        def within(event: Mapping[str, Any], source: str) -> bool:
            value = left(event, source)
            if (kind := type(value)) is int or kind is float:
                return bool(compare(value, limit))
            return value is not None and _mismatch(at, "a number", value)

        return within

    def holds(event: Mapping[str, Any], source: str) -> bool:
        one, other = left(event, source), right(event, source)
        for value in (one, other):
            if (kind := type(value)) is not int and kind is not float and value is not None:
                _mismatch(at, "a number", value)
        return one is not None and other is not None and bool(compare(one, other))

    return holds


def equality(node: CompareNode, left: Run, right: Run) -> Run:
    """Strict: of one type and one value; numbers are one type. With a literal for a side, what can be asked faster."""
    if isinstance(node.left, LiteralNode):
        literal, run = node.left.value, right
    elif isinstance(node.right, LiteralNode):
        literal, run = node.right.value, left
    else:
        return lambda event, source: equal(left(event, source), right(event, source))
    if isinstance(literal, str):
        return lambda event, source: run(event, source) == literal  # a string equals nothing but a string
    if literal is None or isinstance(literal, bool):
        return lambda event, source: run(event, source) is literal
    if isinstance(literal, list):
        return lambda event, source: equal(run(event, source), literal)
    return lambda event, source: type(value := run(event, source)) is not bool and value == literal


def equal(one: Any, other: Any) -> bool:
    """Of one type and one value, at any depth."""
    pairs = [(one, other)]
    while pairs:
        one, other = pairs.pop()
        if type_name(one) != type_name(other):
            return False
        if isinstance(one, list):
            if len(one) != len(other):
                return False
            pairs.extend(zip(one, other, strict=True))
        elif isinstance(one, dict):
            if one.keys() != other.keys():
                return False
            pairs.extend((value, other[name]) for name, value in one.items())
        elif one != other:
            return False
    return True


def member(node: CompareNode, left: Run, right: Run) -> Run:
    if isinstance(node.right, LiteralNode) and all(isinstance(each, str) for each in node.right.value):
        strings = frozenset(node.right.value)

        def among(event: Mapping[str, Any], source: str) -> bool:
            value = left(event, source)
            return type(value) is str and value in strings

        return among

    def holds(event: Mapping[str, Any], source: str) -> bool:
        value, of = left(event, source), right(event, source)
        if type(of) is not list:
            return of is not None and _mismatch(node.at, "a list", of)
        return any(equal(value, each) for each in of)

    return holds


def applied(at: Token, function: Function, given: list[Run]) -> Run:
    call, first = function.call, given[0]
    takes = tuple(function.takes)
    second = given[1] if len(given) > 1 else None

    def one(event: Mapping[str, Any], source: str) -> Any:
        value = first(event, source)
        if type_name(value) not in takes[0]:
            _mismatch(at, article(*sorted(takes[0] - {"null"})), value)
        try:
            return call(value)
        except ValueError as error:
            raise MismatchSignal(Mismatch(_column(at), f"what {at} can convert", str(error))) from None

    if second is None:
        return one
    fixed = function.pattern

    def two(event: Mapping[str, Any], source: str) -> Any:
        value, more = first(event, source), second(event, source)
        if type(value) is not str and value is not None:
            _mismatch(at, "a string", value)
        if not fixed and type(more) is not str and more is not None:
            _mismatch(at, "a string", more)
        return call(value, more)

    return two


def _mismatch(at: Token, expected: str, value: object) -> NoReturn:
    raise MismatchSignal(Mismatch(_column(at), expected, article(type_name(value))))


def _column(at: Token) -> int:
    return at.column or 1


def article(*kinds: str) -> str:
    return " or ".join(_ARTICLES.get(kind, f"a {kind}") for kind in kinds)
