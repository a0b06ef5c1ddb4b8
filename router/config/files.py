"""Topology files read into one tree: includes joined, later files over earlier ones, defaults under each part."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from router.config.explain import shown
from router.config.inputs import Inputs
from router.config.models import DefaultsConfig
from router.config.substitution import Substitution
from router.config.tree import Node, overlay, tree, without
from router.config.validate import validate
from router.document import read
from router.errors import FileError, Problem

NAMED = ("sources", "destinations")  # maps whose members have a name each


@dataclass
class Files:
    """Reads files and collects problems. `env` None: placeholders stand for what only the environment knows.

    Without `secrets` they stand for secrets that are missing, too. `read` are the topology files; `inputs` notes every
    file before it is read, secrets files too.
    """

    env: Mapping[str, str] | None
    read: list[Path] = field(default_factory=list)
    inputs: Inputs = field(default_factory=Inputs)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    secrets: bool = True

    def topology(self, paths: Sequence[Path]) -> Node | None:
        """The merged tree of the files, without `include` and `defaults`; None where no file could be read."""
        merged: Node | None = None
        for path in paths:
            node = self._with_includes(path)
            if node is not None:
                merged = overlay(merged, node) if merged else node
        return self._under_defaults(merged) if merged else None

    def _with_includes(self, path: Path) -> Node | None:
        node = self._file(path)
        if node is None:
            return None
        included = self._included(node)
        node = without(node, "include")
        for other in included:
            other_node = self._with_includes(other) if _absolute(other) not in self.read else None
            if other_node is not None:
                node = self._join(node, other_node)
        return node

    def _file(self, path: Path) -> Node | None:
        self.read.append(_absolute(path))
        self.inputs.file(path)
        try:
            document = read(path)
        except FileError as error:
            self.problems += error.problems
            return None
        substitution = Substitution(document, self.env, self.inputs.file, secrets=self.secrets)
        node = tree(document, substitution)
        self.problems += substitution.problems
        if not isinstance(node.value, dict):
            self.problems.append(node.problem(f"expected a mapping, got {shown(document.data)}"))
            return None
        return node

    def _included(self, node: Node) -> list[Path]:
        """Files that the `include` globs match, each once, test files left out."""
        include = node.child("include")
        if include is None:
            return []
        patterns = include.value if isinstance(include.value, list) else [include]
        found: dict[Path, None] = {}
        for pattern in patterns:
            text = pattern.plain()
            if include.value is not patterns or not isinstance(text, str):
                self.problems.append(pattern.problem(f"expected a list of globs, got {shown(text)}"))
                continue
            folder = Path(node.document.file).parent
            files = self.inputs.glob(folder, text)
            if not files:
                self._no_match(pattern, text)
            found |= dict.fromkeys(files)
        return list(found)

    def _no_match(self, pattern: Node, text: str) -> None:
        problem = pattern.problem(f"expected a glob that matches a file, got {shown(text)}, which matches none")
        (self.warnings if glob.has_magic(text) else self.problems).append(problem)

    def _join(self, node: Node, other: Node) -> Node:
        """Both files' keys; a key, or a name of a source or destination, may stand in one of them only."""
        joined = dict(node.value)
        for key, child in other.value.items():
            mine = joined.get(key)
            if mine is None:
                joined[key] = child
            elif key in NAMED and isinstance(mine.value, dict) and isinstance(child.value, dict):
                for name in mine.value.keys() & child.value.keys():
                    self._twice(child.value[name], mine.value[name])
                joined[key] = replace(
                    mine, value=mine.value | {k: v for k, v in child.value.items() if k not in mine.value}
                )
            else:
                self._twice(child, mine)
        return replace(node, value=joined)

    def _twice(self, second: Node, first: Node) -> None:
        where = f"{first.document.file}:{first.document.locate(first.pointer, at_key=True)[0]}"
        message = f"expected each name in one of the included files, got it in {where} too"
        self.problems.append(second.problem(message, at_key=True))

    def _under_defaults(self, node: Node) -> Node:
        defaults = node.child("defaults")
        if defaults is None:
            return node
        checked, problems = validate(DefaultsConfig, defaults)
        self.problems += problems
        node = without(node, "defaults")
        if checked is None:
            return node
        parts: dict[str, Any] = dict(node.value)
        for key, singular in zip(NAMED, ("source", "destination"), strict=True):
            default, named = defaults.child(singular), node.child(key)
            if default is not None and named is not None and isinstance(named.value, dict):
                merged = {name: overlay(default, child) for name, child in named.value.items()}
                parts[key] = replace(named, value=merged)
        return replace(node, value=parts)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
