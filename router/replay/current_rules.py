"""What the topology as it is now makes of an event that was routed before, for one destination. Pure.

The agents between the choice of destinations and the writing of events are asked again. A dead letter is the event that
its destination was to get, so there are two exceptions for it: a sample is not taken of a sample, and what is a digest
is not hashed again; and fields that a filter or a privacy rule has taken out of it are not there for filters that ask
for them. An event of the clean stream has met none of these rules, one of an archive only those of privacy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from router.agents.agent import Prepare, RouteKey, Setup
from router.agents.emit import Emit
from router.agents.pipeline import AGENTS
from router.agents.privacy import Privacy
from router.agents.route import Choice, Route
from router.config.loader import Loaded
from router.dedupe.window_memory import MemoryWindow
from router.events.event import Event
from router.events.parser import JsonError, Repairs, encode, parse

UNREADABLE = "unreadable"
OTHER_SOURCE = "source"
_SHAPING = AGENTS[AGENTS.index(Route) : AGENTS.index(Emit)]


class Ruling(NamedTuple):
    """The event as the destination gets it now, or why it does not: a reason of an agent, `source` (the destination no
    longer takes the source) or `unreadable` (not a JSON object).
    """

    value: bytes
    refusal: str = ""


class CurrentRules:
    """Of one destination, also one that is switched off. `sampled` and `hashed` say what was done to the events."""

    def __init__(self, loaded: Loaded, destination: str, *, sampled: bool = True, hashed: bool = True) -> None:
        topology = loaded.topology
        config = topology.destinations[destination]
        filters = tuple(each for each in config.filters if not sampled or each.then.sample is None)
        own = {destination: config.model_copy(update={"enabled": True, "filters": filters})}
        alone = replace(loaded, topology=topology.model_copy(update={"destinations": own}))
        setup = Setup(alone, "", MemoryWindow(0), None, lambda record: None)
        agents = [agent.build(setup) for agent in _SHAPING]
        self._agents = [agent.repeatable() if hashed and isinstance(agent, Privacy) else agent for agent in agents]
        self._destination = destination
        self._steps: dict[RouteKey, list[Prepare]] = {}

    def judge(self, value: bytes, source: str) -> Ruling:
        """A message of another program, which says no source or call type, is let through: no rule is about it."""
        try:
            body = parse(value, Repairs())
        except JsonError:
            return Ruling(value, UNREADABLE)
        if not isinstance(body, dict):
            return Ruling(value, UNREADABLE)
        if not source or not _is_event(body):
            return Ruling(value)
        event = Event(body, source, 0, 0, 0, None, None)
        choice = self._choice(event)
        if self._destination not in choice.chosen:
            return Ruling(value, dict(choice.refused).get(self._destination, OTHER_SOURCE))
        made = choice.bodies.get(self._destination, event.body)
        return Ruling(value if made == parse(value, Repairs()) else encode(made))

    def _choice(self, event: Event) -> Choice:
        key = (event.source, event.type, event.name)
        if key not in self._steps:
            self._steps[key] = [step for agent in self._agents if (step := agent.compile(key)) is not None]
        for step in self._steps[key]:
            step(event)
        choice: Choice = event.choice
        return choice


def _is_event(body: dict[str, Any]) -> bool:
    kind, name = body.get("type"), body.get("event")
    return isinstance(kind, str) and (kind != "track" or isinstance(name, str))
