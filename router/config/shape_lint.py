"""What is wrong between the parts of a topology that shape events: privacy, consent, rules."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from router.config.tree import Node
from router.document import nearest
from router.errors import Problem

Named = tuple[str, Node]


def problems(root: Node, sources: list[Named], destinations: list[Named]) -> Iterator[Problem]:
    """Names in `privacy` that nothing has, and encryption without a key."""
    privacy = root.child("privacy")
    if privacy is None:
        return
    classes = [name for name, _ in members(privacy, "classes")]
    keyed = privacy.child("key") is not None
    known = [name for name, _ in sources]
    for name, node in members(privacy, "source"):
        if name not in known:
            yield node.problem(f"expected a source, got {name}", nearest(name, known), at_key=True)
        yield from _of_classes(node, classes, keyed)
    names = [name for name, _ in destinations]
    for glob, node in members(privacy, "destinations"):
        if not any(fnmatchcase(name, glob) for name in names):
            message = f"expected a glob that matches a destination, got {glob}, which matches none"
            yield node.problem(message, nearest(glob, names), at_key=True)
        yield from _of_classes(node, classes, keyed)


def warnings(destinations: list[Named]) -> Iterator[Problem]:
    """Destinations that ask for no consent, where another one does."""
    asking = [node for _, node in destinations if node.child("consent") is not None]
    for name, node in destinations:
        if asking and node.child("consent") is None:
            yield node.problem(
                f"expected consent, as other destinations have it: {name} gets events of everybody", at_key=True
            )


def members(node: Node, key: str) -> list[Named]:
    """The entries of the map under a key."""
    child = node.child(key)
    return list(child.value.items()) if child is not None and isinstance(child.value, dict) else []


def _of_classes(node: Node, classes: list[str], keyed: bool) -> Iterator[Problem]:
    """What is wrong with the action of each class."""
    for name, child in list(node.value.items()) if isinstance(node.value, dict) else []:
        if name not in classes:
            yield child.problem(f"expected a class of privacy.classes, got {name}", nearest(name, classes), at_key=True)
        if child.value == "encrypt" and not keyed:
            yield child.problem("expected privacy.key beside it, such as ${file:/run/secrets/privacy.key}, got none")
