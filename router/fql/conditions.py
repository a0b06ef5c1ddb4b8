"""Nodes to closures. What is wrong whatever the event, such as a list against a number, is refused here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import singledispatchmethod

from router.document import nearest
from router.fql.closures import (
    SIZES,
    Run,
    applied,
    article,
    boolean,
    by_size,
    equality,
    every,
    member,
    opposite,
    reader,
    some,
)
from router.fql.functions import FUNCTIONS, type_name
from router.fql.glob import compile_glob
from router.fql.nodes import CallNode, CompareNode, JunctionNode, LiteralNode, Node, NotNode, PathNode, place
from router.fql.syntax import refusal

SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Compiled:
    """`kind`: the type it always gives apart from null, or "" for whatever the event holds."""

    run: Run
    kind: str = ""


def compile_condition(node: Node) -> tuple[Run, frozenset[str], frozenset[str]]:
    """The condition (True or False, or MismatchSignal), the top-level fields it reads, the event names it compares."""
    compiler = _Compiler()
    run = compiler.condition(node)
    return run, frozenset(compiler.paths), frozenset(compiler.events)


@dataclass(slots=True)
class _Compiler:
    paths: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)

    def condition(self, node: Node) -> Run:
        """What gives True or False and nothing else."""
        compiled = self.value(node)
        if compiled.kind not in ("", "bool"):
            raise refusal(place(node), "a condition", article(compiled.kind))
        return compiled.run if compiled.kind == "bool" else boolean(compiled.run, place(node))

    @singledispatchmethod
    def value(self, node: Node) -> Compiled:
        raise TypeError(node)

    @value.register
    def _path(self, node: PathNode) -> Compiled:
        if node.names == (SOURCE,):
            return Compiled(lambda event, source: source, "string")
        if node.names[0] == SOURCE:
            raise refusal(node.at, "source, which is a name", f"'{node.at}'")
        self.paths.add(node.names[0])
        return Compiled(reader(node.names))

    @value.register
    def _literal(self, node: LiteralNode) -> Compiled:
        value = node.value
        return Compiled(lambda event, source: value, type_name(value))

    @value.register
    def _not(self, node: NotNode) -> Compiled:
        run = self.condition(node.of)
        return Compiled(lambda event, source: not run(event, source), "bool")

    @value.register
    def _junction(self, node: JunctionNode) -> Compiled:
        runs = tuple(self.condition(each) for each in node.of)
        return Compiled(every(runs) if node.every else some(runs), "bool")

    @value.register
    def _compare(self, node: CompareNode) -> Compiled:
        left, right = self.value(node.left), self.value(node.right)
        self._note_events(node)
        if node.operator in SIZES:
            _expect(node.left, left, "number")
            _expect(node.right, right, "number")
            return Compiled(by_size(node, left.run, right.run), "bool")
        if node.operator == "in":
            _expect(node.right, right, "list")
            return Compiled(member(node, left.run, right.run), "bool")
        equal = equality(node, left.run, right.run)
        return Compiled(equal if node.operator == "=" else opposite(equal), "bool")

    def _note_events(self, node: CompareNode) -> None:
        sides = (node.left, node.right)
        if any(isinstance(side, PathNode) and side.names == ("event",) for side in sides):
            for side in sides:
                value = side.value if isinstance(side, LiteralNode) else None
                self.events.update(
                    each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)
                )

    @value.register
    def _call(self, node: CallNode) -> Compiled:
        function = FUNCTIONS.get(node.name)
        if function is None:
            raise refusal(node.at, "a function", f"'{node.name}'", nearest(node.name, FUNCTIONS))
        if len(node.given) != len(function.takes):
            plural = "argument" if len(function.takes) == 1 else "arguments"
            raise refusal(node.at, f"{len(function.takes)} {plural} of {node.name}", str(len(node.given)))
        given = [self.value(each) for each in node.given]
        for each, compiled, takes in zip(node.given, given, function.takes, strict=True):
            if compiled.kind and compiled.kind not in takes:
                raise refusal(place(each), article(*sorted(takes - {"null"})), article(compiled.kind))
        if function.pattern:
            given[1] = _pattern(node.given[1])
        return Compiled(applied(node.at, function, [each.run for each in given]), function.returns)


def _pattern(node: Node) -> Compiled:
    if not isinstance(node, LiteralNode) or not isinstance(node.value, str):
        raise refusal(place(node), "a pattern in quotes", "another value")
    try:
        fits = compile_glob(node.value)
    except ValueError as error:
        raise refusal(node.at, "a pattern", str(error)) from None
    return Compiled(lambda event, source: fits)


def _expect(node: Node, compiled: Compiled, kind: str) -> None:
    if compiled.kind not in ("", kind):
        raise refusal(place(node), article(kind), article(compiled.kind))
