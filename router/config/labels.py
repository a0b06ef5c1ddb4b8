"""Environments: which sources and destinations are labelled with another one than the topology's.

Reads the tree. A running process takes such a topology, and gives these parts nothing; `router check` refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from router.config.shape_lint import members
from router.config.substitution import Scalar
from router.config.tree import Node, without
from router.errors import Problem

_TAKES = {
    "sources": "the events of source {} are refused",
    "destinations": "destination {} gets no events",
}


def other_environment(root: Node) -> Iterator[Problem]:
    """Each enabled source and destination of another environment, at its label."""
    own = root.child("environment")
    if own is None or not isinstance(own.plain(), str):
        return
    for key, consequence in _TAKES.items():
        for name, node in members(root, key):
            label, rest = node.find(("labels", "environment"))
            other = not rest and isinstance(label.plain(), str) and label.plain() != own.plain()
            enabled = node.child("enabled")
            if other and (enabled is None or enabled.plain() is not False):
                message = f"expected the topology's environment {_shown(own)}, got {_shown(label)}"
                yield label.problem(f"{message}: {consequence.format(name)}")


def without_unknown(root: Node) -> Node:
    """The tree without environments for which placeholders stand: what is not known is not another."""
    for key in _TAKES:
        parts = root.child(key)
        if parts is not None and isinstance(parts.value, dict):
            named = {name: _known_label(node) for name, node in parts.value.items()}
            root = replace(root, value={**root.value, key: replace(parts, value=named)})
    return _known(root)


def _known_label(node: Node) -> Node:
    labels = node.child("labels")
    if labels is None or not isinstance(labels.value, dict):
        return node
    return replace(node, value={**node.value, "labels": _known(labels)})


def _known(node: Node) -> Node:
    given = node.child("environment")
    unknown = given is not None and isinstance(given.value, Scalar) and given.value.placeholder
    return without(node, "environment") if unknown else node


def _shown(node: Node) -> str:
    """The text, unless it came from the process's environment or a file of secrets."""
    hidden = isinstance(node.value, Scalar) and node.value.secret
    return "(a value that is not shown)" if hidden else str(node.plain())
