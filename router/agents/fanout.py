"""Which destinations an event goes to: sources, call types, event names, the `integrations` object.

Each destination that is not chosen is counted with its reason. The chain remembers what an event without `integrations`
comes to, so that the common event costs one look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from router.config.globs import chosen
from router.config.models import DestinationConfig


@dataclass(frozen=True, slots=True)
class Route:
    """One destination as fanout sees it."""

    name: str
    sources: tuple[str, ...]
    types: frozenset[str]
    events: frozenset[str]
    excluded: frozenset[str]
    names: tuple[str, ...]  # what the integrations object may call it; the first that it names decides
    ignores_integrations: bool

    def takes_source(self, source: str) -> bool:
        return chosen(self.sources, source)

    def refusal(self, kind: str, name: str) -> str:
        """Why an event of this type and name does not go there, or an empty string."""
        if self.types and kind not in self.types:
            return "type"
        if kind == "track" and ((self.events and name not in self.events) or name in self.excluded):
            return "event"
        return ""


def route_of(name: str, config: DestinationConfig, integrations: Sequence[str], *, ignores: bool) -> Route:
    """The Route of a destination of the topology; `integrations` are the names its connector declares."""
    names = (name, *([config.integration] if config.integration else []), *integrations)
    return Route(
        name,
        config.sources,
        frozenset(config.types),
        frozenset(config.events),
        frozenset(config.except_),
        names,
        ignores,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Destinations by name, all topics the event goes to, refusals as (destination, reason), and how many integrations
    keys name nothing.

    Compared by identity: one choice is shared by all events alike, so counting choices counts events.
    """

    chosen: tuple[str, ...]
    topics: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    unknown: int = 0


class Fanout:
    """The routes of all sources; `topic_of` gives a destination's topic. `clean` is where every event goes."""

    def __init__(
        self, routes: Sequence[Route], sources: Sequence[str], topic_of: Callable[[str], str], clean: tuple[str, ...]
    ) -> None:
        self._topic_of = topic_of
        self._clean = clean
        self._routes = {source: tuple(r for r in routes if r.takes_source(source)) for source in sources}
        self._known = {"All"}.union(*(route.names for route in routes))

    def __call__(self, source: str, kind: str, name: str, integrations: Mapping[str, Any]) -> Choice:
        """The choice for an event of this source, call type and (track only) name with this integrations object."""
        chosen, refused = [], []
        for route in self._routes[source]:
            reason = route.refusal(kind, name) or self._switched_off(route, integrations)
            if reason:
                refused.append((route.name, reason))
            else:
                chosen.append(route.name)
        unknown = sum(key not in self._known for key in integrations)
        topics = (*self._clean, *map(self._topic_of, chosen))
        return Choice(tuple(chosen), topics, tuple(refused), unknown)

    def _switched_off(self, route: Route, integrations: Mapping[str, Any]) -> str:
        if route.ignores_integrations:
            return ""
        for name in (*route.names, "All"):
            if name in integrations:
                return "integrations" if integrations[name] is False else ""
        return ""
