"""What `router check --diff` does: holds topology files against themselves at a git revision."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from router.config.changes import Change, changes
from router.config.loader import Loaded, load_topology
from router.destinations.base import Settings
from router.destinations.registry import destination_types
from router.errors import FileError, Problem
from router.repository import blobs, commit_of, contents, prefix_of

SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class TopologyDifference:
    """Of the topology that `files` make. `changes` is None where the revision has none, or a faulty one."""

    files: Sequence[Path]
    revision: str
    changes: Sequence[Change] | None
    problems: Sequence[Problem] = ()

    def lines(self) -> list[str]:
        """For people."""
        name = " ".join(map(str, self.files))
        if self.problems:
            return [f"{name}: not to be compared, {self.revision} is faulty"]
        if self.changes is None:
            return [f"{name}: not in {self.revision}"]
        if not self.changes:
            return [f"{name}: as in {self.revision}"]
        swapped = sum(not change.restart for change in self.changes)
        sums = f"{swapped} taken over while running, {len(self.changes) - swapped} by a restart"
        shown = [f"  {'restart' if change.restart else 'swap   '}  {change}" for change in self.changes]
        return [f"{name}: since {self.revision} {sums}", *shown]

    def as_dict(self) -> dict[str, object]:
        found = None if self.changes is None else [_as_dict(change) for change in self.changes]
        problems = [problem.as_dict() for problem in self.problems]
        files = list(map(str, self.files))
        return {"files": files, "revision": self.revision, "changes": found, "problems": problems}


def _as_dict(change: Change) -> dict[str, object]:
    how = "restart" if change.restart else "swap"
    return {"path": change.path, "what": change.what, "how": how, "why": change.why}


def difference(files: Sequence[Path], revision: str) -> TopologyDifference:
    """Both sides with placeholders, so that it does not depend on the environment.

    Faults of the revision are named `REVISION:PATH`. Raises RouterError where there is no repository or no such
    revision, FileError where the files are faulty.
    """
    where = files[0].resolve().parent
    root = _root(where)
    commit = commit_of(where, revision)
    with tempfile.TemporaryDirectory(prefix="router-check-") as folder:
        copy = Path(folder).resolve()
        _export(where, commit, copy)
        paths = [copy / path.resolve().relative_to(root) for path in files if path.resolve().is_relative_to(root)]
        there = [path for path in paths if path.is_file()]
        if not paths or paths[0] not in there:
            return TopologyDifference(files, revision, None)
        try:
            old = _load(there)
        except FileError as error:
            return TopologyDifference(
                files, revision, None, [_named(problem, copy, revision) for problem in error.problems]
            )
        return TopologyDifference(files, revision, changes(_moved(old, copy, root), _load(files)))


def _root(where: Path) -> Path:
    up = len(Path(prefix_of(where)).parts)
    return where if not up else where.parents[up - 1]


def _export(where: Path, commit: str, copy: Path) -> None:
    """Whatever a topology or plan may be made of."""
    found = {name: blob for name, blob in blobs(where, commit).items() if name.endswith(SUFFIXES)}
    for name, content in contents(where, found).items():
        path = copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _load(files: Sequence[Path]) -> Loaded:
    return load_topology(files, registry=destination_types(), placeholders=True)


def _named(problem: Problem, copy: Path, revision: str) -> Problem:
    moved = {key: getattr(problem, key).replace(f"{copy}/", f"{revision}:") for key in ("file", "message")}
    return replace(problem, **moved)


def _moved(loaded: Loaded, copy: Path, root: Path) -> Loaded:
    """With paths in settings where they are in the work tree."""
    settings = {name: _with_paths(each, copy, root) for name, each in loaded.connector_settings.items()}
    return replace(loaded, connector_settings=settings)


def _with_paths(settings: Settings, copy: Path, root: Path) -> Settings:
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    inside = {name: at for name, at in values.items() if isinstance(at, Path) and at.is_relative_to(copy)}
    return settings.model_copy(update={name: root / at.relative_to(copy) for name, at in inside.items()})
