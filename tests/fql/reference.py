"""A plain evaluator of FQL, written from the grammar alone: it reads and answers at once, without nodes or closures.

Slow, without static checks, and sharing nothing with router.fql: the two are compared.
"""

from __future__ import annotations

import json
import re
from typing import Any

TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)|(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<path>(?:[^\W\d]|\\.)(?:[\w-]|\\.)*(?:\.(?:[\w-]|\\.)+)*)|(?P<sign>!=|<=|>=|[=<>!()\[\],]))""",
    re.DOTALL,
)
COMPARISONS = ("=", "!=", ">", ">=", "<", "<=", "in")
WRONG_TYPE = "wrong type"  # what a query answers to a value it cannot use


class WrongType(Exception):
    pass


JSON_NUMBER = r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?"


def answer(text: str, event: dict[str, Any], source: str) -> bool | str:
    """True, False or WRONG_TYPE. Raises ValueError for what is not of the language."""
    reader = Reader(text, event, source)
    try:
        result = truth(reader.any_of())
    except WrongType:
        return WRONG_TYPE
    if reader.kind != "end":
        raise ValueError(reader.text)
    return result


class Reader:
    """Recursive descent. `skip` above 0: the value is not asked for, since `and` or `or` is decided already."""

    def __init__(self, text: str, event: dict[str, Any], source: str) -> None:
        self.left, self.event, self.source, self.skip = text, event, source, 0
        self.next()

    def next(self) -> str:
        """Step to the next token; returns the text of the one before."""
        before = getattr(self, "text", "")
        if not self.left.strip():
            self.kind = self.text = "end"
            self.left = ""
            return before
        found = TOKEN.match(self.left)
        if not found:
            raise ValueError(self.left)
        self.kind, self.text, self.left = found.lastgroup or "", found[found.lastgroup or 0], self.left[found.end() :]
        return before

    def any_of(self) -> Any:
        return self.junction(self.all_of, "or", True)

    def all_of(self) -> Any:
        return self.junction(self.negation, "and", False)

    def junction(self, part: Any, word: str, decides: bool) -> Any:
        value = part()
        while self.kind == "path" and self.text == word:
            self.next()
            value = self.true(value)
            decided = value is decides
            self.skip += decided
            other = self.true(part())
            self.skip -= decided
            value = decides if decided else other
        return value

    def negation(self) -> Any:
        if self.text == "!":
            self.next()
            return not self.true(self.negation())
        if self.text == "(":
            self.next()
            value = self.any_of()
            assert self.next() == ")"
            return value
        left = self.operand()
        if self.text not in COMPARISONS or self.kind not in ("sign", "path"):
            return left
        operator = self.next()
        right = self.operand()
        return None if self.skip else compare(operator, left, right)

    def true(self, value: Any) -> bool:
        return False if self.skip else truth(value)

    def operand(self) -> Any:
        kind, text = self.kind, self.next()
        if kind == "number":
            return float(text) if re.search(r"[.eE]", text) else int(text)
        if kind == "string":
            return re.sub(r"\\([nrt\\\"'])", lambda found: eval(f'"\\{found[1]}"'), text[1:-1])
        if text == "[":
            values = []
            while self.text != "]":
                values.append(self.operand())
                if self.text == ",":
                    self.next()
            self.next()
            return values
        if kind == "path" and text in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[text]
        if kind == "path" and self.text == "(":
            given = []
            while self.next() != ")":
                given.append(self.operand())
            return None if self.skip else call(text, given)
        return self.at(text)

    def at(self, path: str) -> Any:
        names = [re.sub(r"\\(.)", r"\1", name) for name in re.findall(r"(?:[\w-]|\\.)+", path)]
        value: Any = self.source if names == ["source"] else self.event
        for name in [] if names == ["source"] else names:
            value = value.get(name) if isinstance(value, dict) else None
        return value


def truth(value: Any) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise WrongType
    return value


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return set(one) == set(other) and all(same(one[name], other[name]) for name in one)
    return (number(one) and number(other) and one == other) or (type(one) is type(other) and bool(one == other))


def compare(operator: str, left: Any, right: Any) -> bool:
    if operator in ("=", "!="):
        return same(left, right) is (operator == "=")
    if operator == "in":
        if right is None:
            return False
        if not isinstance(right, list):
            raise WrongType
        return any(same(left, each) for each in right)
    if not all(value is None or number(value) for value in (left, right)):
        raise WrongType
    if left is None or right is None:
        return False
    return bool(
        {">": lambda: left > right, ">=": lambda: left >= right, "<": lambda: left < right}.get(
            operator, lambda: left <= right
        )()
    )


def call(name: str, given: list[Any]) -> Any:
    value = given[0]
    if name == "typeof":
        kinds = [(bool, "bool"), (int | float, "number"), (str, "string"), (list, "list"), (dict, "object")]
        return next((word for kind, word in kinds if isinstance(value, kind)), "null")
    if value is None and all(each is None or isinstance(each, str) for each in given):
        return {"length": 0, "contains": False, "match": False, "bool": False}.get(name)
    if name == "length" and isinstance(value, str | list):
        return len(value.encode() if isinstance(value, str) else value)
    if name == "bool" and (isinstance(value, bool) or number(value) or value in ("true", "false")):
        return value == "true" if isinstance(value, str) else bool(value)
    if name == "number" and isinstance(value, bool | int | float):
        return int(value) if isinstance(value, bool) else value
    if name == "number" and isinstance(value, str) and re.fullmatch(JSON_NUMBER, value, re.ASCII):
        return json.loads(value)
    if name == "string" and isinstance(value, bool | int | str):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if name in ("lowercase", "uppercase") and isinstance(value, str):
        return value.lower() if name == "lowercase" else value.upper()
    if name == "contains" and isinstance(value, str) and (given[1] is None or isinstance(given[1], str)):
        return given[1] is not None and given[1] in value
    if name == "match" and isinstance(value, str):
        return fits(value, given[1])
    raise WrongType


def fits(text: str, glob: str) -> bool:
    """`*`, `?` and escapes, by trying everything."""
    if not glob:
        return not text
    if glob[0] == "*":
        return any(fits(text[at:], glob[1:]) for at in range(len(text) + 1))
    if glob[0] == "\\":
        return text[:1] == glob[1] and fits(text[1:], glob[2:])
    return bool(text) and glob[0] in ("?", text[0]) and fits(text[1:], glob[1:])
