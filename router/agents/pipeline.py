"""The pipeline: the order of the agents, and a batch's way through them.

An event is prepared by all agents while its body is fresh from the parser, and the body is then released: a whole batch
of bodies would not fit the processor's cache. What the native scanner takes comes prepared. Then the agents process the
batch, which is columns by then (`router.agents.events`), one after the other. Pure but for the state that agents read:
what is to be written is collected in a `Batch`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

from router.agents.agent import RENAMED, Agent, Prepare, RouteKey, Setup
from router.agents.batch import Batch, Lanes, Pending
from router.agents.bots import Bots
from router.agents.consent import Consent
from router.agents.decode import Decode, Message
from router.agents.dedupe import Dedupe
from router.agents.emit import Emit
from router.agents.events import Events
from router.agents.filter import FilterEvents
from router.agents.identify import Identify
from router.agents.privacy import Privacy
from router.agents.route import Route
from router.agents.scan import Scan
from router.agents.source_rules import SourceRules
from router.agents.transform import Transform
from router.agents.validate import Validate
from router.events.event import Event
from router.events.message_batch import lanes_of

AGENTS: tuple[type[Agent], ...] = (
    Decode, Dedupe, Transform, SourceRules, Validate, Identify, Route, Bots, Consent, FilterEvents, Privacy, Emit,
)  # fmt: skip
"""The order in which events meet the agents, in both phases. Decode is first, Emit last.

Dedupe stands before Validate so that a violation is reported once. Agents that change or stop an event by its source
belong behind it; those that change what one destination gets (`Choice.bodies`) between Route and Emit.
"""
REMEMBERED = 10_000


class Pipeline:
    """Built once for a topology; `run` is called for every batch, by one thread.

    `at_work` is the name of the agent at work, for whoever catches its exception.
    """

    def __init__(self, agents: Sequence[Agent]) -> None:
        first, *others = agents
        assert isinstance(first, Decode)
        self.decode = first
        self.agents = others
        self.at_work = first.name
        self.scan = Scan.build(first, others, self.prepare)
        self._expanding = [agent for agent in others if agent.expands()]
        self._routes: dict[RouteKey, list[Prepare]] = {}
        self._names: dict[Prepare, str] = {}  # of the agent that a step is of

    @classmethod
    def build(cls, setup: Setup, agents: Iterable[type[Agent]] = AGENTS) -> Pipeline:
        """The pipeline of a topology over the given state."""
        return cls([agent.build(setup) for agent in agents])

    def run(self, messages: Sequence[Message], lanes: Lanes, pending: Pending | None = None) -> Batch:
        """Process messages. `pending` are the keys of batches not yet committed.

        Bad data becomes records; an exception is a bug, or a fault of the state.
        """
        batch = Batch(list(lanes), pending or {})
        self.at_work = self.decode.name
        self.process(self._events(messages, lanes, batch), batch)
        return batch

    def _events(self, messages: Sequence[Message], lanes: Lanes, batch: Batch) -> Events:
        """What the scanner takes of the messages, and in the places of the others the events that are in them."""
        of_lane = lanes_of(messages, lanes)
        scanned = self.scan.events(messages, of_lane) if self.scan else None
        if scanned is None:
            return Events.of([event for _, event in self._prepared(messages, of_lane.tolist(), batch)])
        left = scanned.left
        prepared = self._prepared([messages[index] for index in left], of_lane[left].tolist(), batch)
        others = [*scanned.changed, *((left[at], event) for at, event in prepared)]
        gone = [*(index for index, _ in scanned.changed), *left]
        return scanned.events.with_others(sorted(others, key=itemgetter(0)), sorted(gone))

    def _prepared(self, messages: Sequence[Message], lanes: Sequence[int], batch: Batch) -> list[tuple[int, Event]]:
        """The events of these messages, each with the index of its message."""
        events = []
        found = self.decode.events(messages, lanes, batch)
        for index, event in self._replaced(messages, lanes, found, batch) if self._expanding else found:
            self.prepare(event)
            events.append((index, event))
        return events

    def _replaced(
        self, messages: Sequence[Message], lanes: Sequence[int], found: Iterable[tuple[int, Event]], batch: Batch
    ) -> Iterator[tuple[int, Event]]:
        index = {(lane, message.offset()): at for at, (message, lane) in enumerate(zip(messages, lanes, strict=True))}
        for event in self.expanded((event for _, event in found), batch):
            yield index[event.lane, event.offset], event

    def expanded(self, events: Iterable[Event], batch: Batch) -> Iterable[Event]:
        """The events with those in place that agents replace some of them by; as they come where none does."""
        for agent in self._expanding:
            held = list(events)
            self.at_work = agent.name
            events = agent.expand(held, batch, self.decode.reject)
        return events

    def prepare(self, event: Event) -> None:
        """All that needs the event's body."""
        key = (event.source, event.type, event.name)
        steps = self._routes.get(key) or self._compiled(key)
        try:
            for step in steps:
                if ended := step(event):
                    break
            else:
                return
        except Exception:
            self.at_work = self._names[step]
            raise
        if ended is RENAMED:
            self.prepare(event)

    def process(self, events: Events, batch: Batch) -> None:
        """The agents' work on a whole batch of prepared events."""
        batch.received.update(events.by_lane())
        for agent in self.agents:
            self.at_work = agent.name
            events = agent.process(events, batch)

    def _compiled(self, key: RouteKey) -> list[Prepare]:
        """The compiled route: what the agents prepare of events of this source, type and name."""
        if len(self._routes) >= REMEMBERED:
            self._routes.clear()
            self._names.clear()
        route = next((agent for agent in self.agents if isinstance(agent, Route)), None)
        reached = route.reached(key) if route else None
        steps = [
            (agent, step)
            for agent in self.agents
            if (step := agent.compile(key)) is not None and (reached is None or agent.concerns(key, reached))
        ]
        self._names |= {step: agent.name for agent, step in steps}
        prepares = self._routes[key] = [step for _, step in steps]
        if self.scan:
            self.scan.learn(key, steps)
        return prepares
