"""What differs between two topologies, and what of it a running process can take over. Pure.

A change is swapped in unless something that is read only at the start rests on it: names, topics, partitions, the
window, the guarantee. `follow` gives the topology that a process can run now: the new one, with what needs a restart
left as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr

from router.config.loader import Loaded
from router.config.models import DestinationConfig, Enforce, SourceConfig, Topology
from router.config.shape import MapConfig
from router.config.topics import reads_keyed
from router.config.words import plan_words, written

M = TypeVar("M", bound=BaseModel)
_START = "it is read once, at the start"
_SUBSCRIBED = "route workers choose the topics they read at the start"
_SWAPPED = frozenset(("description", "default_source", "identity", "limits", "mask"))  # of the topology's own fields
_FORWARDS = ("forward_blocked_to", "forward_violations_to")
_TOPICS_MISSING = "its topics are not there yet: run `router topics apply`"


@dataclass(frozen=True, slots=True)
class Change:
    """`path` is the place in the topology, `what` says in words what is new there; values of settings are not shown.

    `why` says why a running process cannot take it over; empty where it can.
    """

    path: str
    what: str
    why: str = ""

    @property
    def restart(self) -> bool:
        return bool(self.why)

    def __str__(self) -> str:
        return f"{self.path}: {self.what}" + (f" ({self.why})" if self.why else "")


def changes(old: Loaded, new: Loaded) -> list[Change]:
    """Everything that differs."""
    return follow(old, new)[1]


def added_destinations(old: Loaded, new: Loaded) -> list[str]:
    """Destinations that events begin to go to: their topics must be there first."""
    before = old.topology.enabled_destinations
    after = new.topology.model_copy(update={"environment": old.topology.environment})  # another needs a restart
    return [name for name in after.enabled_destinations if name not in before]


def follow(old: Loaded, new: Loaded, *, without: Collection[str] = ()) -> tuple[Loaded, list[Change]]:
    """What a process that runs `old` can run now, and everything that differs.

    `without` are added destinations whose topics are missing: they stay out, or switched off.
    """
    comparison = _Comparison(old, new, frozenset(without))
    topology = comparison.topology()
    plans = {name: plan for name in topology.sources if (plan := comparison.plans.get(name)) is not None}
    settings = {name: new.connector_settings[name] for name in topology.destinations}
    sources = {name: one for name, one in new.source_settings.items() if name in topology.sources}
    kept = {owner: one for owner, one in old.functions.items() if not _runs(owner, new.topology)}
    functions = {owner: one for owner, one in {**kept, **new.functions}.items() if _runs(owner, topology)}
    following = replace(
        new,
        topology=topology,
        plans=plans,
        connector_settings=settings,
        functions=functions,
        source_settings=sources,
    )
    return following, comparison.changes


def _runs(owner: str, topology: Topology) -> bool:
    """Whether what has the function is a part of the topology."""
    kind, _, name = owner.partition(".")
    return name in (topology.sources if kind == "sources" else topology.destinations)


@dataclass
class _Comparison:
    """`changes` and `plans` fill as the parts are compared."""

    old: Loaded
    new: Loaded
    without: frozenset[str]
    changes: list[Change] = field(default_factory=list)
    plans: dict[str, Any] = field(default_factory=dict)

    def topology(self) -> Topology:
        before, after = self.old.topology, self.new.topology
        kept: dict[str, Any] = {}
        for name in type(after).model_fields:
            if name == "topics":
                fixed = {each: _START for each in type(after.topics).model_fields if each != "resolved"}
                kept[name] = self._model(name, before.topics, after.topics, fixed)
            elif name == "gateway":
                kept[name] = self._model(name, before.gateway, after.gateway, {"ack_timeout": _START})
            elif name == "sources":
                kept[name] = self._sources()
            elif name == "destinations":
                kept[name] = self._destinations()
            elif name not in _SWAPPED:
                kept[name] = getattr(before, name)
                self._differ(name, getattr(before, name), getattr(after, name), _START)
            else:
                self._differ(name, getattr(before, name), getattr(after, name))
        self._functions()
        return after.model_copy(update=kept)

    def _functions(self) -> None:
        """A transform whose code is another, under the same name."""
        for owner, function in self.new.functions.items():
            before = self.old.functions.get(owner)
            same = before is not None and (before.module, before.name) == (function.module, function.name)
            if same and before != function:
                self._add(f"{owner}.transform", "its code has changed")

    # Sources

    def _sources(self) -> dict[str, SourceConfig]:
        before, after = self.old.topology.sources, self.new.topology.sources
        sources = {name: self._source(name, before.get(name), source) for name, source in after.items()}
        for name in [name for name in before if name not in after]:
            if before[name].topics:
                self._add(f"sources.{name}", "removed; it stays for its topics", _SUBSCRIBED)
                sources[name] = before[name].model_copy(update={"write_keys": ()})
                self.plans[name] = self.old.plans.get(name)
            else:
                self._add(f"sources.{name}", "removed")
        return {name: _without_dangling(source, sources) for name, source in sources.items()}

    def _source(self, name: str, before: SourceConfig | None, after: SourceConfig) -> SourceConfig:
        path = f"sources.{name}"
        self.plans[name] = self.new.plans.get(name)
        if before is None:
            self._add(path, "added")
            before = SourceConfig(enforce=after.enforce.model_copy(update=dict.fromkeys(_FORWARDS)))
            quiet = {field for field in SourceConfig.model_fields if field not in ("topics", "enforce")}
        else:
            self._plan(f"{path}.plan", name)
            quiet = {"plan", "settings", "map"}
            for key in ("settings", "map"):  # named only: values may be secret, or long
                if getattr(before, key) != getattr(after, key):
                    self._add(f"{path}.{key}", "changed")
        fixed = {} if reads_keyed(self.old.topology) else dict.fromkeys(_FORWARDS, _SUBSCRIBED)
        enforce: Enforce = self._model(f"{path}.enforce", before.enforce, after.enforce, fixed)
        source = self._model(path, before, after, {"topics": _SUBSCRIBED}, quiet={*quiet, "enforce"})
        return source.model_copy(update={"enforce": enforce})

    def _plan(self, path: str, source: str) -> None:
        before, after = self.old.plans.get(source), self.new.plans.get(source)
        words = plan_words(before.plan if before else None, after.plan if after else None)
        if words:
            self._add(path, words)

    # Destinations

    def _destinations(self) -> dict[str, DestinationConfig]:
        before, after = self.old.topology.destinations, self.new.topology.destinations
        destinations: dict[str, DestinationConfig] = {}
        for name, destination in after.items():
            why = _TOPICS_MISSING if name in self.without else ""
            if name not in before:
                self._add(f"destinations.{name}", "added", why)
                if not why:
                    destinations[name] = destination
                continue
            fixed = {"enabled": why, "labels": why} if why else {}
            destinations[name] = self._model(
                f"destinations.{name}", before[name], destination, fixed, quiet={"settings", "map"}
            )
            self._settings(name)
            self._map(f"destinations.{name}.map", before[name].map, destination.map)
        for name in [name for name in before if name not in after]:
            self._add(f"destinations.{name}", "removed; events not yet delivered stay in its topic")
        return destinations

    def _settings(self, name: str) -> None:
        """Settings are named only: any of them may have come from the environment."""
        before, after = self.old.connector_settings[name], self.new.connector_settings[name]
        if type(before) is not type(after):
            return  # the type differs, which is told
        for key, info in type(after).model_fields.items():
            if getattr(before, key) != getattr(after, key):
                self._add(f"destinations.{name}.settings.{info.alias or key}", "changed")

    def _map(self, path: str, before: MapConfig, after: MapConfig) -> None:
        """Named only, too."""
        for call in MapConfig.model_fields:
            if getattr(before, call) != getattr(after, call):
                self._add(f"{path}.{call}", "changed")

    # Any part

    def _add(self, path: str, what: str, why: str = "") -> None:
        self.changes.append(Change(path, what, why))

    def _model(self, path: str, before: M, after: M, fixed: Mapping[str, str], *, quiet: Collection[str] = ()) -> M:
        """The new model with its `fixed` fields (each with the reason) as before; `quiet` ones are told elsewhere."""
        kept = {}
        for name, info in type(after).model_fields.items():
            one, other, why = getattr(before, name), getattr(after, name), fixed.get(name, "")
            if why:
                kept[name] = one
            if name not in quiet:
                self._differ(f"{path}.{info.alias or name}", one, other, why)
        return after.model_copy(update=kept)

    def _differ(self, path: str, before: Any, after: Any, why: str = "") -> None:
        for place, one, other in _leaves(path, before, after):
            self._add(place, _words(one, other), why)


def _leaves(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """The places at and below the path where two values differ."""
    if before == after:
        return
    if isinstance(before, BaseModel) and type(before) is type(after):
        for name, info in type(after).model_fields.items():
            yield from _leaves(f"{path}.{info.alias or name}", getattr(before, name), getattr(after, name))
    else:
        yield path, before, after


def _words(before: Any, after: Any) -> str:
    if any(isinstance(item, SecretStr) for value in (before, after) if isinstance(value, tuple) for item in value):
        return f"{_count(set(after) - set(before))} added, {_count(set(before) - set(after))} removed"
    return f"{written(before)} -> {written(after)}"


def _count(keys: Collection[Any]) -> str:
    return str(len(keys)) if keys else "none"


def _without_dangling(source: SourceConfig, sources: Collection[str]) -> SourceConfig:
    """Without forwards to sources that are gone: only one that stays for its topics can have such."""
    gone = [name for name in _FORWARDS if getattr(source.enforce, name) not in (None, *sources)]
    return (
        source.model_copy(update={"enforce": source.enforce.model_copy(update=dict.fromkeys(gone))}) if gone else source
    )
