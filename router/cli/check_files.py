"""What `router check` does: sorts files by kind, then checks each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from router.cli.report import counted
from router.config.loader import Loaded, files_read, load_topology
from router.destinations.registry import destination_types
from router.document import read
from router.errors import FileError, Problem
from router.plan import compile_plan, load_plan
from router.topology_tests.cases import is_test_file, lint, read_tests

T = TypeVar("T")


def is_plan_folder(path: Path) -> bool:
    return (path / "plan.yaml").is_file() or (path / "events").is_dir()


@dataclass
class FileCheck:
    """`add` what is to be checked, then `run`. `env` None: placeholders. `fine` names each part without fault."""

    env: Mapping[str, str] | None
    topologies: dict[Path, None] = field(default_factory=dict)
    tests: dict[Path, None] = field(default_factory=dict)
    plans: dict[Path, None] = field(default_factory=dict)
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    fine: list[str] = field(default_factory=list)

    def add(self, path: Path) -> None:
        if path.is_dir():
            self._add_folder(path)
        elif is_test_file(path):
            self.tests[path] = None
        elif plan := next((parent for parent in (path.parent, path.parent.parent) if is_plan_folder(parent)), None):
            self.plans[plan] = None
        else:
            self.topologies[path] = None

    def _add_folder(self, folder: Path) -> None:
        """What is in the folder and below it. YAML files of a folder without a topology are somebody else's, unless
        there is nothing but them.
        """
        if self._search(folder):
            return
        files = _yaml_files(folder)
        if not files:
            expected = "expected topology files, test files or plan folders in it, got none"
            self.errors.append(Problem(str(folder), 0, 0, "", expected))
        for path in files:
            self.add(path)

    def _search(self, folder: Path) -> bool:
        if is_plan_folder(folder):
            self.plans[folder] = None
            return True
        files = _yaml_files(folder)
        found = files if any(map(_is_topology, files)) else list(filter(is_test_file, files))
        for path in found:
            self.add(path)
        folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
        below = [self._search(path) for path in folders if not path.name.startswith(".")]
        return bool(found) or any(below)

    def run(self) -> None:
        for group in self.groups():
            for size in range(1, len(group) + 1):
                self._guarded(self._topology, group[:size])
        for folder in self.plans:
            self._guarded(self._plan, folder)
        for path in self.tests:
            self._guarded(self._tests, path)

    def _guarded(self, check: Callable[[T], None], given: T) -> None:
        try:
            check(given)
        except FileError as error:
            self.errors += error.problems

    def groups(self) -> list[list[Path]]:
        """Topology files with those that override them; files that others include are checked with these."""
        named = {path for path in self.topologies if _has_name(path)}
        included = {file for path in named for file in files_read([path])[1:]}
        groups: list[list[Path]] = []
        for path in self.topologies:
            if path in named or not groups:
                groups.append([path])
            elif path.absolute() not in included:
                groups[-1].append(path)
        return groups

    def _load(self, paths: list[Path], env: Mapping[str, str] | None) -> Loaded:
        return load_topology(paths, env=env, registry=destination_types(), placeholders=env is None)

    def _topology(self, paths: list[Path]) -> None:
        loaded = self._load(paths, self.env)
        self.warnings += [warning for warning in loaded.warnings if warning not in loaded.foreign]
        if loaded.foreign:
            raise FileError(loaded.foreign)
        sources, destinations = len(loaded.topology.sources), len(loaded.topology.destinations)
        counts = f"{counted(sources, 'source')}, {counted(destinations, 'destination')}"
        self.fine.append(f"{' '.join(map(str, paths))}: topology {loaded.topology.name}, {counts}")

    def _plan(self, folder: Path) -> None:
        plan = load_plan(folder)
        compile_plan(plan)
        self.fine.append(f"{folder}: plan {plan.name}, {counted(len(plan.rules), 'rule')}")

    def _tests(self, path: Path) -> None:
        tests = read_tests(path)
        topology = self._load(list(tests.topology), None).topology
        problems = lint(tests, topology.sources, topology.destinations)
        self.errors += problems
        if not problems:
            self.fine.append(f"{path}: {counted(len(tests.cases.tests), 'test')}")


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml") and path.is_file())


def _is_topology(path: Path) -> bool:
    """Whether it may be meant as one: it has a key that only topologies have, or cannot be read as YAML."""
    try:
        data = read(path).data
    except FileError:
        return True
    return isinstance(data, dict) and not data.keys().isdisjoint(("sources", "destinations", "include"))


def _has_name(path: Path) -> bool:
    try:
        data = read(path).data
    except FileError:
        return True
    return isinstance(data, dict) and "name" in data
