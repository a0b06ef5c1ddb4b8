"""What a query is made of. Nodes keep the token they begin with (a comparison its operator) for errors found later.

`depth`: how many operators, calls and lists are in each other, this one included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lark import Token


@dataclass(frozen=True, slots=True)
class PathNode:
    """A field of the event: `names` from the root."""

    at: Token
    names: tuple[str, ...]
    depth: int = 1


@dataclass(frozen=True, slots=True)
class LiteralNode:
    """A JSON value other than an object."""

    at: Token
    value: Any
    depth: int = 1


@dataclass(frozen=True, slots=True)
class CallNode:
    """A function and what it is given; the name is not yet looked up."""

    at: Token
    name: str
    given: tuple[Node, ...]
    depth: int


@dataclass(frozen=True, slots=True)
class CompareNode:
    """`operator` is one of = != > >= < <= in."""

    at: Token
    operator: str
    left: Node
    right: Node
    depth: int


@dataclass(frozen=True, slots=True)
class NotNode:
    """The opposite of a condition."""

    of: Node
    depth: int


@dataclass(frozen=True, slots=True)
class JunctionNode:
    """Several conditions, of which all or any must hold."""

    every: bool
    of: tuple[Node, ...]
    depth: int


Node = PathNode | LiteralNode | CallNode | CompareNode | NotNode | JunctionNode


def place(node: Node) -> Token:
    """The token that stands for the node in an error."""
    while isinstance(node, NotNode | JunctionNode):
        node = node.of if isinstance(node, NotNode) else node.of[0]
    return node.at
