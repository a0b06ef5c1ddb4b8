"""A pattern as a table: a deterministic automaton over ASCII of at most 256 states, for the scanner.

Only what means the same in every dialect is taken: literals, classes, groups, choices, counts, `^` at the beginning and
`$` at the end. `Uncertain` for the rest. A value that is not ASCII, or a value that does not match, is looked at in
Python. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from re import _constants as sre
from re import _parser as parser
from typing import Any, NamedTuple

CHARACTERS = 128
MOST_STATES = 256
_MOST_COUNT, _MOST_NODES = 64, 2000
_PLAIN = re.compile(r"(?:[A-Za-z0-9^$|*+?()\[\]{},.:;@/=_~!#%&' -]|\\[d.\-+*?()\[\]{}|^$/\\])*")
_DIALECTS = re.compile(r"\{,|\(\?(?!:)|--|&&|~~|\[\[|\[\]|\[\^\]|[*+?}][+]|\(\)|\|\)|\(\||\[[^\]]*\[")


class Uncertain(Exception):
    """The tables cannot say it; Python does."""


class Automaton(NamedTuple):
    """`states` has 128 bytes for each state: the next one. State 0 refuses for good, 1 begins.

    `format`: of a format, it takes some of what is right; its number in FORMATS of router/native/tables.py, from 1.
    """

    states: bytes
    accepting: bytes
    format: int = 0


class _Graph:
    """A non-deterministic automaton: by state, where it goes without a character, and with one."""

    def __init__(self) -> None:
        self.silent: list[list[int]] = []
        self.edges: list[list[tuple[frozenset[int], int]]] = []

    def new(self) -> int:
        if len(self.silent) >= _MOST_NODES:
            raise Uncertain("too large a pattern")
        self.silent.append([])
        self.edges.append([])
        return len(self.silent) - 1

    def sequence(self, items: Iterable[tuple[Any, Any]], at: int) -> int:
        for operation, argument in items:
            at = self._item(operation, argument, at)
        return at

    def _item(self, operation: Any, argument: Any, at: int) -> int:
        if operation in (sre.LITERAL, sre.IN):
            characters = {argument} if operation is sre.LITERAL else _class(argument)
            if max(characters) >= CHARACTERS:
                raise Uncertain("a character beyond ASCII")
            end = self.new()
            self.edges[at].append((frozenset(characters), end))
            return end
        if operation is sre.MAX_REPEAT:
            least, most, items = argument
            return self._repeat(least, most, items, at)
        if operation is sre.SUBPATTERN and not argument[1] and not argument[2]:
            return self.sequence(argument[3], at)
        if operation is sre.BRANCH:
            end = self.new()
            for choice in argument[1]:
                begin = self.new()
                self.silent[at].append(begin)
                self.silent[self.sequence(choice, begin)].append(end)
            return end
        raise Uncertain(str(operation))

    def _repeat(self, least: int, most: Any, items: Any, at: int) -> int:
        if least > _MOST_COUNT or (most is not sre.MAXREPEAT and most > _MOST_COUNT):
            raise Uncertain("a large count")
        for _ in range(least):
            at = self.sequence(items, at)
        ends = [at]
        if most is sre.MAXREPEAT:
            loop = self.new()
            self.silent[at].append(loop)
            self.silent[self.sequence(items, loop)].append(loop)
            return loop
        for _ in range(most - least):
            at = self.sequence(items, at)
            ends.append(at)
        end = self.new()
        for one in ends:
            self.silent[one].append(end)
        return end

    def closure(self, states: Iterable[int]) -> frozenset[int]:
        stack = list(states)
        found = set(stack)
        while stack:
            for following in self.silent[stack.pop()]:
                if following not in found:
                    found.add(following)
                    stack.append(following)
        return frozenset(found)

    def deterministic(self, begin: int, end: int) -> Automaton:
        nothing: frozenset[int] = frozenset()
        first = self.closure({begin})
        order, numbers, rows = [nothing, first], {nothing: 0, first: 1}, [bytes(CHARACTERS)]
        while len(rows) < len(order):
            row = bytearray(CHARACTERS)
            edges = [edge for state in order[len(rows)] for edge in self.edges[state]]
            for character in range(CHARACTERS):
                following = self.closure(target for characters, target in edges if character in characters)
                if following not in numbers:
                    if len(order) == MOST_STATES:
                        raise Uncertain("too many states")
                    numbers[following] = len(order)
                    order.append(following)
                row[character] = numbers[following]
            rows.append(bytes(row))
        return Automaton(b"".join(rows), bytes(end in states for states in order))


def _class(items: Sequence[tuple[Any, Any]]) -> set[int]:
    found: set[int] = set()
    for operation, argument in items:
        if operation is sre.LITERAL:
            found.add(argument)
        elif operation is sre.RANGE:
            found.update(range(argument[0], argument[1] + 1))
        elif operation is sre.CATEGORY and argument is sre.CATEGORY_DIGIT:
            found.update(range(ord("0"), ord("9") + 1))
        else:
            raise Uncertain(str(operation))
    return found


def automaton(pattern: str) -> Automaton:
    """Of texts in which the pattern is found. Raises Uncertain."""
    if not _PLAIN.fullmatch(pattern) or _DIALECTS.search(pattern):
        raise Uncertain("a pattern that may mean different things")
    try:
        items = list(parser.parse(pattern))
    except (re.error, OverflowError, RecursionError):
        raise Uncertain("no pattern for Python") from None
    anchored = bool(items) and items[0] == (sre.AT, sre.AT_BEGINNING)
    items = items[anchored:]
    ends = bool(items) and items[-1] == (sre.AT, sre.AT_END)
    items = items[: len(items) - ends]
    graph, everything = _Graph(), frozenset(range(CHARACTERS))
    begin = graph.new()
    if not anchored:
        graph.edges[begin].append((everything, begin))
    end = graph.sequence(items, begin)
    if not ends:
        last = graph.new()
        graph.silent[end].append(last)
        graph.edges[last].append((everything, last))
        end = last
    return graph.deterministic(begin, end)
