"""Whether a backtracking engine could need exponential time for a pattern.

The pattern becomes a position automaton (Glushkov): one state for each character class, edges where one may follow
another. It is exponentially ambiguous when a state can reach itself on the same text along two different paths, which
shows in a cycle of the automaton with itself (Weber and Seidl 1991). Anchors are ignored, counts above three are cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from router.plan.regex import PatternNode, parse

MAX_POSITIONS = 2000
MAX_LOOP = 120


class TooLarge(Exception):
    """More positions than are worth looking at."""


def is_exponential(pattern: str) -> bool:
    """True for `(a+)+`; False also where the pattern is too large to say."""
    tree = parse(pattern)
    if tree is None:
        return False
    automaton = _Automaton()
    try:
        automaton.add(tree)
    except TooLarge:
        return False
    return any(automaton.ambiguous(loop) for loop in components(automaton.follow))


@dataclass
class _Part:
    """What a piece of the pattern can begin and end with, and whether it can match nothing."""

    nullable: bool = True
    first: frozenset[int] = frozenset()
    last: frozenset[int] = frozenset()


@dataclass
class _Automaton:
    """`classes[p]` is the bit mask of a position, `follow[p]` what may come next, `doubled` edges with two reasons."""

    classes: list[int] = field(default_factory=list)
    follow: list[set[int]] = field(default_factory=list)
    doubled: set[tuple[int, int]] = field(default_factory=set)

    def add(self, node: PatternNode) -> _Part:
        if node.kind == "set":
            return self._position(node.mask)
        if node.kind == "alt":
            return self._either([self.add(part) for part in node.parts])
        if node.kind == "seq":
            whole = _Part()
            for part in node.parts:
                whole = self._then(whole, self.add(part))
            return whole
        return self._repeat(node)

    def _position(self, mask: int) -> _Part:
        if len(self.classes) >= MAX_POSITIONS:
            raise TooLarge
        self.classes.append(mask)
        self.follow.append(set())
        here = frozenset((len(self.classes) - 1,))
        return _Part(False, here, here)

    def _either(self, parts: Iterable[_Part]) -> _Part:
        whole = _Part(False)
        for part in parts:
            whole = _Part(whole.nullable or part.nullable, whole.first | part.first, whole.last | part.last)
        return whole

    def _then(self, left: _Part, right: _Part) -> _Part:
        self._connect(left.last, right.first)
        first = left.first | right.first if left.nullable else left.first
        last = left.last | right.last if right.nullable else right.last
        return _Part(left.nullable and right.nullable, first, last)

    def _connect(self, sources: frozenset[int], targets: frozenset[int]) -> None:
        for source in sources:
            self.doubled.update((source, target) for target in targets & self.follow[source])
            self.follow[source] |= targets

    def _repeat(self, node: PatternNode) -> _Part:
        """`x{2,}` is x x+, `x{1,3}` is x (x (x)?)?; more than three copies say nothing new."""
        (inner,) = node.parts
        whole = _Part()
        needed = min(node.least, 3)
        for _ in range(needed if node.most is not None else max(needed - 1, 0)):
            whole = self._then(whole, self.add(inner))
        if node.most is None:
            loop = self.add(inner)
            self._connect(loop.last, loop.first)
            return self._then(whole, _Part(loop.nullable or node.least == 0, loop.first, loop.last))
        return self._then(whole, self._optional(inner, min(node.most - node.least, 2)))

    def _optional(self, inner: PatternNode, copies: int) -> _Part:
        if copies <= 0:
            return _Part()
        part = self._then(self.add(inner), self._optional(inner, copies - 1))
        return _Part(True, part.first, part.last)

    def ambiguous(self, loop: set[int]) -> bool:
        """Two ways round within one loop (a strongly connected component)."""
        if len(loop) > MAX_LOOP:
            return False
        if any(source in loop and target in loop for source, target in self.doubled):
            return True
        pairs = {(p, q): number for number, (p, q) in enumerate((p, q) for p in loop for q in loop if self._meet(p, q))}
        edges: list[set[int]] = [
            {pairs[pair] for pair in ((a, b) for a in self.follow[p] for b in self.follow[q]) if pair in pairs}
            for p, q in pairs
        ]
        same = {number for (p, q), number in pairs.items() if p == q}
        return any(part & same and part - same for part in components(edges))

    def _meet(self, p: int, q: int) -> bool:
        return bool(self.classes[p] & self.classes[q])


def components(edges: list[set[int]]) -> list[set[int]]:
    """The strongly connected components that hold a cycle (Kosaraju, without recursion)."""
    backwards: list[set[int]] = [set() for _ in edges]
    for source, targets in enumerate(edges):
        for target in targets:
            backwards[target].add(source)
    found: list[set[int]] = []
    assigned: set[int] = set()
    for start in reversed(_finished(edges)):
        if start not in assigned:
            part = _reach(start, backwards, assigned)
            if len(part) > 1 or start in edges[start]:
                found.append(part)
    return found


def _finished(edges: list[set[int]]) -> list[int]:
    """All nodes in the order in which a depth-first search leaves them."""
    order: list[int] = []
    seen: set[int] = set()
    for root in range(len(edges)):
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter(edges[root]))]
        while stack:
            node, rest = stack[-1]
            following = next((target for target in rest if target not in seen), None)
            if following is None:
                order.append(node)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(edges[following])))
    return order


def _reach(start: int, edges: list[set[int]], assigned: set[int]) -> set[int]:
    part, stack = {start}, [start]
    assigned.add(start)
    while stack:
        for target in edges[stack.pop()]:
            if target not in assigned:
                assigned.add(target)
                part.add(target)
                stack.append(target)
    return part
