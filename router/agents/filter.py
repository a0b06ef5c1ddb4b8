"""filter: what a destination gets by an event's content: dropped, sampled, with some of its fields, or whole.

A destination's filters are asked in order, each about the event as it came. The first that drops it decides; fields
that are kept or removed change a copy of the event, for this destination alone. Without state: kill -9 loses nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import orjson

from router.agents.agent import Agent, Prepare, RouteKey, Setup
from router.agents.route import Choice
from router.config.filters import FilterAction, FilterConfig
from router.destinations.registry import destination_types
from router.events.event import Body, Event
from router.fql import Mismatch, compile_query
from router.mapping.path import MISSING, compile_path, parts_of

Tree = dict[str, Any]  # names of fields; None below a name: the whole value
Outcome = str | Callable[[Body], Body] | None  # why it does not go there, what changes its body, or nothing
Filter = Callable[[Event], Outcome]


class FilterEvents(Agent):
    """`filters` by destination, in the order of the file."""

    name = "filter"
    reasons: ClassVar = {
        "filter": "a filter drops it",
        "sample": "it is not in the sample that a filter takes",
        "filter_error": "a filter met a value of a type that it cannot use",
    }

    def __init__(self, filters: Mapping[str, Sequence[FilterConfig]]) -> None:
        self._filters = {name: tuple(map(compiled, each)) for name, each in filters.items() if each}
        self._reads = {name: [fields_read(one) for one in each] for name, each in filters.items()}

    @classmethod
    def build(cls, setup: Setup) -> Self:
        destinations, types = setup.loaded.topology.destinations, destination_types()
        filters = {
            name: config.filters
            for name, config in destinations.items()
            if not types[config.type].ignores_integrations  # warehouse and archive get everything
        }
        return cls(filters)

    def compile(self, key: RouteKey) -> Prepare | None:
        return self.prepare if self._filters else None

    def concerns(self, key: RouteKey, destinations: Collection[str]) -> bool:
        return not self._filters.keys().isdisjoint(destinations)

    def reads(self, key: RouteKey, destinations: Collection[str]) -> Collection[str] | None:
        read: set[str] = set()
        for name in destinations:
            for fields in self._reads.get(name, ()):
                if fields is None:
                    return None
                read.update(fields)
        return read

    def prepare(self, event: Event) -> None:
        choice: Choice = event.choice
        refused, bodies = [], {}
        for name in choice.chosen:
            filters = self._filters.get(name)
            if filters is None:
                continue
            outcome = _outcome(filters, event)
            if isinstance(outcome, str):
                refused.append((name, outcome))
            elif outcome is not None:
                bodies[name] = outcome(choice.bodies.get(name, event.body))
        if refused:
            choice = choice.without(refused)
        event.choice = choice.with_bodies(bodies)

    def explain(self, event: Event, destination: str) -> Iterator[str]:
        for number, each in enumerate(self._filters.get(destination, ())):
            outcome = each(event)
            said = "decides" if isinstance(outcome, str) else "lets it pass" if outcome is None else "chooses fields"
            yield f"destinations.{destination}.filters[{number}] {said}"
            if isinstance(outcome, str):
                return


def _outcome(filters: Sequence[Filter], event: Event) -> Outcome:
    changes: list[Callable[[Body], Body]] = []
    for each in filters:
        outcome = each(event)
        if isinstance(outcome, str):
            return outcome
        if outcome is not None:
            changes.append(outcome)
    if not changes:
        return None

    def change(body: Body) -> Body:
        for each in changes:
            body = each(body)
        return body

    return change


def compiled(config: FilterConfig) -> Filter:
    """What one filter makes of an event."""
    act = _action(config.then)
    if config.if_ is None:
        return act
    evaluate = compile_query(config.if_).evaluate

    def ask(event: Event) -> Outcome:
        held = evaluate(event.body, event.source)
        if held is True:
            return act(event)
        return "filter_error" if isinstance(held, Mismatch) else None

    return ask


def fields_read(config: FilterConfig) -> Collection[str] | None:
    """The top-level fields of an event that a filter asks about; None where it changes the event."""
    then = config.then
    if then.keep is not None or then.remove is not None:
        return None
    asked: set[str] = set() if config.if_ is None else {*compile_query(config.if_).paths}
    if then.sample is not None:
        asked |= {str(parts_of(then.by or "messageId")[0]), "messageId"}
    return asked


def _action(then: FilterAction) -> Filter:
    if then.sample is not None:
        return _sample(then.sample, then.by)
    if then.keep is not None:
        kept = tree(then.keep)
        return lambda event: lambda body: {k: _only(v, kept[k]) if k in kept else v for k, v in body.items()}
    if then.remove is not None:
        removed = tree(then.remove)
        return lambda event: lambda body: _without(body, removed)
    return lambda event: "filter"


def _sample(part: float, by: str | None) -> Filter:
    """By a value's hash, so that whoever is in one sample is in every larger one too; of events without one, by id."""
    read, of_id = compile_path(by or "messageId"), compile_path("messageId")

    def sample(event: Event) -> Outcome:
        value = read(event.body)
        if value is MISSING or value is None:
            value = of_id(event.body)
        digest = hashlib.blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=8).digest()
        return None if int.from_bytes(digest) < part * 2**64 else "sample"

    return sample


def tree(paths: Sequence[str]) -> Tree:
    """Paths by their names: of `a.b` and `a.b.c` the shorter counts."""
    root: Tree = {}
    for path in sorted(map(parts_of, paths), key=len):
        *above, last = path
        place: Tree | None = root
        for name in above:
            place = place.setdefault(name, {}) if place is not None else None
        if place is not None:
            place.setdefault(last, None)
    return root


def _only(value: Any, kept: Tree | None) -> Any:
    """A copy with these fields alone; of a list in each item. What has no fields stays as it is."""
    if kept is None:
        return value
    if isinstance(value, list):
        return [_only(item, kept) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _only(value[name], kept[name]) for name in value if name in kept}


def _without(value: Any, removed: Tree) -> Any:
    """A copy without these fields; of a list in each item."""
    if isinstance(value, list):
        return [_without(item, removed) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: inner if name not in removed else _without(inner, below)
        for name, inner in value.items()
        if name not in removed or (below := removed[name]) is not None
    }
