"""Text to nodes: the grammar, and what a syntax error says.

condition := all ( 'or' all )*              all  := negation ( 'and' negation )*
negation  := '!' negation | '(' condition ')' | operand operator operand | path | call
operand   := path | call | literal          call := name '(' operand ( ',' operand )* ')'
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from router.fql.errors import FqlError
from router.fql.nodes import CallNode, CompareNode, JunctionNode, LiteralNode, Node, NotNode, PathNode, place

MAX_DEPTH = 64  # of operators, calls and lists in each other: evaluation descends as deep

GRAMMAR = r"""
?start: any
?any: all ("or" all)*
?all: negation ("and" negation)*
?negation: "!" negation -> negate | primary
?primary: "(" any ")" | operand (COMPARE | IN) operand -> compare | path | call
?operand: path | call | literal
call: PATH "(" operand ("," operand)* ")"
path: PATH
?literal: NUMBER -> number | STRING -> string | TRUE -> true | FALSE -> false | NULL -> null
        | LIST "]" -> items | LIST literal ("," literal)* "]" -> items

TRUE: "true"
FALSE: "false"
NULL: "null"
IN: "in"
LIST: "["
COMPARE: /!=|<=|>=|=|<|>/
NUMBER: /-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?/
STRING: /"([^"\\]|\\.)*"|'([^'\\]|\\.)*'/s
PATH: /([^\W\d]|\\.)([\w-]|\\.)*(\.([\w-]|\\.)+)*/
%ignore /\s+/
"""

_VALUES = frozenset({"PATH", "STRING", "NUMBER", "TRUE", "FALSE", "NULL", "LIST"})
_WORDS = {
    "COMPARE": "a comparison", "IN": "'in'", "AND": "'and'", "OR": "'or'", "LPAR": "'('", "RPAR": "')'",
    "RSQB": "']'", "COMMA": "','", "BANG": "'!'", "$END": "the end",
}  # fmt: skip
_MEANT = {
    "==": "=", "===": "=", "&&": "and", "||": "or", "&": "and", "|": "or", "<>": "!=",
    "and": "and", "or": "or", "in": "in", "like": "match(…)",
}  # fmt: skip
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'"}


def parse(text: str) -> Node:
    """Raises FqlError where the text is not of the language."""
    try:
        return cast("Node", _parser().parse(text))
    except UnexpectedInput as error:
        raise _explained(text, error) from None


def refusal(at: Token, expected: str, got: str, hint: str = "") -> FqlError:
    """The error at a token."""
    return FqlError(at.line or 1, at.column or 1, expected, got, hint)


class _Builder(Transformer[Token, Node]):
    """Called by the parser for each rule while it reads, which takes no stack of Python's."""

    def path(self, children: list[Token]) -> Node:
        return PathNode(children[0], names(children[0]))

    def number(self, children: list[Token]) -> Node:
        text = children[0]
        try:
            value = int(text) if re.fullmatch(r"-?\d+", text) else float(text)
        except ValueError:  # more digits than Python takes for an integer
            value = math.inf
        if not math.isfinite(value):
            raise refusal(text, "a number that a double holds", f"{len(text)} characters")
        return LiteralNode(text, value)

    def string(self, children: list[Token]) -> Node:
        body = children[0][1:-1]
        return LiteralNode(children[0], re.sub(r"""\\([nrt\\"'])""", lambda found: _ESCAPES[found[1]], body))

    def true(self, children: list[Token]) -> Node:
        return LiteralNode(children[0], True)

    def false(self, children: list[Token]) -> Node:
        return LiteralNode(children[0], False)

    def null(self, children: list[Token]) -> Node:
        return LiteralNode(children[0], None)

    def items(self, children: list[Any]) -> Node:
        at, *of = children
        return LiteralNode(at, [item.value for item in of], _deeper(at, of))

    def call(self, children: list[Any]) -> Node:
        at, *given = children
        return CallNode(at, str(at), tuple(given), _deeper(at, given))

    def compare(self, children: list[Any]) -> Node:
        left, at, right = children
        return CompareNode(at, str(at), left, right, _deeper(at, (left, right)))

    def negate(self, children: list[Node]) -> Node:
        return NotNode(children[0], _deeper(place(children[0]), children))

    def all(self, children: list[Node]) -> Node:
        return JunctionNode(True, tuple(children), _deeper(place(children[0]), children))

    def any(self, children: list[Node]) -> Node:
        return JunctionNode(False, tuple(children), _deeper(place(children[0]), children))


def names(path: str) -> tuple[str, ...]:
    """The names of a path as it is written: at dots that no backslash precedes."""
    return tuple(re.sub(r"\\(.)", r"\1", name) for name in re.findall(r"(?:[\w-]|\\.)+", path))


def _deeper(at: Token, nodes: Iterable[Node]) -> int:
    depth = 1 + max((node.depth for node in nodes), default=0)
    if depth > MAX_DEPTH:
        raise refusal(at, f"at most {MAX_DEPTH} conditions and calls in each other", "more")
    return depth


@cache
def _parser() -> Lark:
    """Made at the first query: it takes longer than a thousand of them."""
    return Lark(GRAMMAR, parser="lalr", transformer=_Builder())


def _explained(text: str, error: UnexpectedInput) -> FqlError:
    at = error.pos_in_stream if error.pos_in_stream is not None else len(text)
    if isinstance(error, UnexpectedToken):
        wanted = set(error.accepts or error.expected)
        got = "the end" if error.token.type == "$END" else f"'{error.token}'"
        at = len(text) if error.token.type == "$END" else at
    elif isinstance(error, UnexpectedCharacters):
        wanted, got = set(error.allowed or ()), f"'{text[at]}'"
        if text[at] in "\"'":
            return _at(text, at, f"a closing {text[at]}", "the end")
    else:
        raise AssertionError from error
    return _at(text, at, _listed(wanted), got, _hint(text, at))


def _at(text: str, position: int, expected: str, got: str, hint: str = "") -> FqlError:
    before = text[:position]
    return FqlError(before.count("\n") + 1, position - before.rfind("\n"), expected, got, hint)


def _listed(wanted: set[str]) -> str:
    words = ["a field, a function or a value"] if len(wanted & _VALUES) > 1 else []
    words += ["a field or a function"] if wanted & _VALUES == {"PATH"} else []
    if wanted >= {"COMPARE", "AND"}:  # after a field: all that may end it as well says nothing
        return "an operator or the end"
    words += [word for name, word in _WORDS.items() if name in wanted]
    return " or ".join(words)


def _hint(text: str, at: int) -> str:
    """For the operators of other languages."""
    if re.search(r"\bnot\s+$", text[:at], re.IGNORECASE):
        return "!"
    begin = at - 1 if at and text[at - 1] in "=<" else at
    found = re.match(r"[=<>&|]+|\w+", text[begin:])
    return _MEANT.get(found[0].lower(), "") if found else ""
