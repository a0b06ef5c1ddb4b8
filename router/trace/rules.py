"""Why a destination does not get an event, by the files as they are now: the pure agents are asked again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from router.agents.agent import Setup
from router.agents.emit import Emit
from router.agents.filter import FilterEvents
from router.agents.pipeline import AGENTS
from router.agents.route import Choice, Route
from router.config.loader import Loaded
from router.dedupe.window_memory import MemoryWindow
from router.events.event import Body, Event

_SHAPING = AGENTS[AGENTS.index(Route) : AGENTS.index(Emit)]
_PLACES = {"type": "types", "environment": "labels", "consent": "consent"}


class RoutingRefusal(NamedTuple):
    """`reason` is that of `router_events_filtered_total`, or `disabled` or `source`; `rule` is its place in the
    topology, empty where the event itself decides.
    """

    reason: str
    rule: str
    words: str


class RoutingRules:
    """Of all destinations of a topology."""

    def __init__(self, loaded: Loaded) -> None:
        self._topology = loaded.topology
        setup = Setup(loaded, "", MemoryWindow(0), None, lambda record: None)
        self._agents = [agent.build(setup) for agent in _SHAPING]

    def refusals(self, body: Body, source: str) -> Mapping[str, RoutingRefusal]:
        """The destinations that do not get the event, each with the reason."""
        event = Event(dict(body), source, 0, 0, 0, None, None)
        found: dict[str, RoutingRefusal] = {}
        for agent in self._agents:
            step = agent.compile((event.source, event.type, event.name))
            if step is None:
                continue
            step(event)
            choice: Choice = event.choice
            for name, reason in choice.refused:
                if name not in found:
                    lines = list(agent.explain(event, name)) if isinstance(agent, FilterEvents) else []
                    rule = lines[-1].split(" ")[0] if lines else self._place(name, reason)
                    found[name] = RoutingRefusal(reason, rule, agent.reasons.get(reason, reason))
        for name, config in self._topology.destinations.items():
            if name in found or name in event.choice.chosen:
                continue
            if not config.enabled:
                found[name] = RoutingRefusal(
                    "disabled", f"destinations.{name}.enabled", "the destination is switched off"
                )
            else:
                words = f"it takes nothing from the source {source}"
                found[name] = RoutingRefusal("source", f"destinations.{name}.sources", words)
        return found

    def _place(self, name: str, reason: str) -> str:
        if reason == "event":
            return f"destinations.{name}.{'events' if self._topology.destinations[name].events else 'except'}"
        return f"destinations.{name}.{_PLACES[reason]}" if reason in _PLACES else ""
