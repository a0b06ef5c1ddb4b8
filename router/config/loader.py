"""Topology files to a `Loaded`: everything read, checked and compiled, or every problem at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from router.config import lint
from router.config.explain import shown
from router.config.files import Files
from router.config.inputs import Inputs
from router.config.labels import other_environment, without_unknown
from router.config.models import DestinationConfig, SourceConfig, Topology
from router.config.pulled import PULLED, SqlSettings
from router.config.tree import Node, without
from router.config.validate import M, validate
from router.destinations.base import Connector, Settings
from router.destinations.registry import own_type
from router.document import nearest
from router.errors import FileError, Problem
from router.partner_sources.base import PartnerSourceSettings
from router.partner_sources.catalog import PARTNER_SOURCES, SEGMENT
from router.transform.function import SPELLING, OwnFunction, find_function

if TYPE_CHECKING:
    from router.plan import CompiledPlan

_FILE_URL = "duckdb:///"


@dataclass(frozen=True)
class Loaded:
    """A topology that is fit to run. `plans` has the sources that name one, where plans were asked for;
    `connector_settings` has every destination, `source_settings` the sources of partners and queries; `functions` has
    transforms, by `sources.<name>` and `destinations.<name>`. `foreign` are those of the warnings that name parts of
    another environment.
    """

    topology: Topology
    files: tuple[Path, ...]
    warnings: tuple[Problem, ...]
    connector_settings: Mapping[str, Settings]
    plans: Mapping[str, CompiledPlan]
    functions: Mapping[str, OwnFunction] = field(default_factory=dict)
    foreign: tuple[Problem, ...] = ()
    source_settings: Mapping[str, PartnerSourceSettings] = field(default_factory=dict)


def load_topology(
    paths: Sequence[Path],
    *,
    env: Mapping[str, str] | None = None,
    registry: Mapping[str, type[Connector]],
    placeholders: bool = False,
    bootstrap: bool = False,
    plans: bool = True,
    secrets: bool = True,
    inputs: Inputs | None = None,
) -> Loaded:
    """Read, merge and check topology files. Raises FileError with all problems.

    `env` (default: this process's) answers `${NAME}`, unless `placeholders` stand for what it would say. `bootstrap`
    says that the topology runs on a cluster of one's own, where a write key taken from a default is a warning. Without
    `plans` no tracking plan is looked at; without `secrets` those that are missing are no problem, see `Substitution`.
    `inputs` notes the files that are read.
    """
    known = None if placeholders else os.environ if env is None else env
    files = Files(known, inputs=inputs or Inputs(), secrets=secrets)
    root = files.topology(paths)
    if root is None:
        raise FileError(files.problems)
    root = without_unknown(root)
    parts = _Parts(root, registry, bootstrap, files.inputs if plans else None, files.inputs)
    topology = parts.topology()
    problems = _once([*files.problems, *parts.problems])
    if problems or topology is None:
        raise FileError(problems)
    foreign = _once([*other_environment(root)])
    warnings = _once([*files.warnings, *parts.warnings, *foreign])
    found = (parts.settings, parts.plans, parts.functions)
    return Loaded(topology, tuple(files.read), warnings, *found, foreign, parts.source_settings)


def files_read(paths: Sequence[Path]) -> list[Path]:
    """The files themselves and what they include, absolute, faults aside."""
    files = Files(None)
    files.topology(paths)
    return files.read


def _once(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Each problem once, by file and place: a fault in `defaults` shows in every part it is merged under."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line, p.column)))


@dataclass
class _Parts:
    """Checks the parts of the tree one by one, so that a fault in one hides none in another. `inputs` notes plans that
    are read; None: none is. `code` notes the modules of transforms.
    """

    root: Node
    registry: Mapping[str, type[Connector]]
    bootstrap: bool
    inputs: Inputs | None
    code: Inputs
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    settings: dict[str, Settings] = field(default_factory=dict)
    plans: dict[str, CompiledPlan] = field(default_factory=dict)
    functions: dict[str, OwnFunction] = field(default_factory=dict)
    source_settings: dict[str, PartnerSourceSettings] = field(default_factory=dict)
    _compiled: dict[Path, CompiledPlan | None] = field(default_factory=dict)
    _events: dict[str, set[str]] = field(default_factory=dict)

    def topology(self) -> Topology | None:
        frame = self._validated(Topology, self._frame())
        sources = {name: self._source(name, node) for name, node in self._named("sources")}
        destinations = {name: self._destination(name, node) for name, node in self._named("destinations")}
        self.problems += lint.problems(self.root)
        self.warnings += lint.warnings(self.root, self._events, bootstrap=self.bootstrap)
        if frame is None:
            return None
        named = {
            "sources": {name: source for name, source in sources.items() if source},
            "destinations": {name: destination for name, destination in destinations.items() if destination},
        }
        return frame.model_copy(update=named)

    def _named(self, key: str) -> list[tuple[str, Node]]:
        node = self.root.child(key)
        return list(node.value.items()) if node is not None and isinstance(node.value, dict) else []

    def _validated(self, model: type[M], node: Node) -> M | None:
        instance, problems = validate(model, node)
        self.problems += problems
        return instance

    def _frame(self) -> Node:
        """The tree with its sources and destinations emptied: their names stay to be checked."""
        value = dict(self.root.value)
        for key, members in (("sources", {}), ("destinations", {"type": ""})):
            node = self.root.child(key)
            if node is not None and isinstance(node.value, dict):
                empty = {
                    name: replace(child, value={k: replace(child, value=v) for k, v in members.items()})
                    for name, child in node.value.items()
                }
                value[key] = replace(node, value=empty)
        gateway = self.root.child("gateway")
        if gateway is not None and isinstance(gateway.value, dict):
            value["gateway"] = absolute(gateway, "analytics_js")
        return replace(self.root, value=value)

    def _source(self, name: str, node: Node) -> SourceConfig | None:
        node = absolute(node, "plan")
        plan = node.child("plan")
        folder = plan.plain() if plan is not None else None
        if plan is not None and isinstance(folder, str) and self.inputs is not None:
            self.inputs.plan(Path(folder))
            if Path(folder).is_dir():
                self._plan(name, Path(folder))
            else:
                self.problems.append(
                    plan.problem(f"expected a folder with a tracking plan, got {folder}, which is none")
                )
        self._transform(f"sources.{name}", node)
        self._partner(name, node)
        return self._validated(SourceConfig, node)

    def _partner(self, name: str, node: Node) -> None:
        """The settings of a source that a partner posts to, or that is pulled."""
        kind, given = node.child("type"), node.child("settings")
        if kind is not None and (pulled := PULLED.get(str(kind.plain()))) is not None:
            self._pulled(name, pulled, given or Node({}, node.document, (*node.pointer, "settings")))
            return
        partner = PARTNER_SOURCES.get(str(kind.plain()) if kind is not None else SEGMENT)
        if partner is None or (given is None and partner.type == SEGMENT):
            return  # no partner, or the linter says what is wrong with the type
        settings = self._validated(partner.Settings, given or Node({}, node.document, (*node.pointer, "settings")))
        if settings is not None:
            self.source_settings[name] = settings

    def _pulled(self, name: str, model: type[SqlSettings], given: Node) -> None:
        """Files in it are beside the topology file."""
        given = absolute(given, "url") if _is_file(given.child("url"), "duckdb:///") else given
        given = absolute(given, "query") if _is_file(given.child("query"), ".sql") else given
        settings = self._validated(model, given)
        if settings is not None:
            self.source_settings[name] = settings

    def _transform(self, owner: str, node: Node) -> None:
        """Finds the function that a source or a destination names; its module is looked at, and not imported."""
        given = node.child("transform")
        spec = given.plain() if given is not None else None
        if given is None or not isinstance(spec, str) or SPELLING.match(spec) is None:
            return  # left out, or the model says what is wrong
        try:
            found = self.functions[owner] = find_function(spec, _code_folders(given))
        except ValueError as error:
            self.problems.append(given.problem(str(error)))
        else:
            self.code.file(found.file)

    def _plan(self, name: str, folder: Path) -> None:
        from router.plan import compile_plan, load_plan  # here, since gateway and delivery do without

        if folder not in self._compiled:
            try:
                self._compiled[folder] = compile_plan(load_plan(folder))
            except FileError as error:
                self._compiled[folder] = None
                self.problems += error.problems
        compiled = self._compiled[folder]
        if compiled is not None:
            self.plans[name] = compiled
            self._events[name] = {rule.name for rule in compiled.plan.rules if rule.type == "track" and rule.name}

    def _destination(self, name: str, node: Node) -> DestinationConfig | None:
        config = self._validated(DestinationConfig, node)
        kind = node.child("type")
        connector = self._connector(kind) if kind is not None else None
        if connector is not None:
            self._settings(name, node, connector)
            self._batch(node, connector)
            self._unfiltered(node, connector)
            self._transform(f"destinations.{name}", node)
            self._mappable(node, connector)
        elif kind is not None and isinstance(kind.plain(), str) and ":" not in kind.plain():
            hint = nearest(kind.plain(), self.registry)
            known = "a destination type" if hint else f"one of {', '.join(self.registry)}"
            self.problems.append(kind.problem(f"expected {known}, got {shown(kind.plain())}", hint))
        return config

    def _connector(self, kind: Node) -> type[Connector] | None:
        """The class of a destination's type: of the registry, or the one of a team's own that is named."""
        named = kind.plain()
        if not isinstance(named, str) or named in self.registry or ":" not in named:
            return self.registry.get(named) if isinstance(named, str) else None
        try:
            return own_type(named, _code_folders(kind))
        except ValueError as error:
            self.problems.append(kind.problem(str(error)))
            return None

    def _settings(self, name: str, node: Node, connector: type[Connector]) -> None:
        given = node.child("settings") or Node({}, node.document, (*node.pointer, "settings"))
        for key, info in connector.Settings.model_fields.items():
            if Path in (info.annotation, *get_args(info.annotation)) or key in connector.Settings.paths:
                given = absolute(given, info.alias or key)
        for key in connector.Settings.texts:
            for scalar in given.find((key,))[0].scalars() if given.child(key) else ():
                scalar.keep_text()
        settings = self._validated(connector.Settings, given)
        if settings is not None:
            self.settings[name] = settings

    def _unfiltered(self, node: Node, connector: type[Connector]) -> None:
        for key in ("filters", "transform"):
            given = node.child(key)
            if connector.ignores_integrations and given is not None and given.pointer[:1] != ("defaults",):
                message = f"expected no {key}, got some: a {connector.type} gets every event whole"
                self.problems.append(given.problem(message, at_key=True))

    def _mappable(self, node: Node, connector: type[Connector]) -> None:
        """A map that would change nothing is an error."""
        given = node.child("map")
        if given is None or connector.maps == "items" or not isinstance(given.value, dict):
            return
        if connector.maps == "no":
            message = f"expected no map, got one: a {connector.type} gets every event whole"
            self.problems.append(given.problem(message, at_key=True))
            return
        events = given.child("events")
        calls = [child for key, child in given.value.items() if key != "events"]
        named = list(events.value.values()) if events is not None and isinstance(events.value, dict) else []
        for child in [*calls, *named]:
            if isinstance(child.value, dict) and child.value:
                message = f"expected false, got targets: what {connector.type} sends is not changed by a map"
                self.problems.append(child.problem(message, at_key=True))

    def _batch(self, node: Node, connector: type[Connector]) -> None:
        count, rest = node.find(("delivery", "batch", "count"))
        value = count.plain()
        if not rest and isinstance(value, int) and value > connector.limits.count:
            expected = f"expected at most {connector.limits.count}, the most that {connector.type} takes in a request"
            self.problems.append(count.problem(f"{expected}, got {value}"))


def _code_folders(node: Node) -> list[Path]:
    """Where the code that a topology names is looked for before Python looks elsewhere."""
    folder = Path(node.document.file).absolute().parent
    return [folder, folder.parent, Path.cwd()]


def _is_file(node: Node | None, sign: str) -> bool:
    """Whether a value names a file: by its scheme, or by its ending."""
    value = node.plain() if node is not None else None
    return isinstance(value, str) and (value.startswith(sign) or value.endswith(sign))


def absolute(node: Node, key: str) -> Node:
    """A relative path under `key` is relative to the file it stands in; a URL stays as it is, unless it is of a file:
    what follows `duckdb:///` is such a path."""
    child = node.child(key)
    if child is None or not isinstance(child.plain(), str):
        return node
    scheme = _FILE_URL if child.plain().startswith(_FILE_URL) else ""
    given = child.plain().removeprefix(scheme)
    if not given or "://" in given or given.startswith(":"):
        return node
    path = scheme + os.path.normpath(Path(child.document.file).absolute().parent / given)
    return replace(without(node, key), value={**node.value, key: replace(child, value=path)})
