"""What each agent makes of an event for one destination, step by step: the real pipeline, watched. Pure.

Used by `router destinations try`; nothing in here is part of a running router.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from router.agents.agent import RENAMED, Agent
from router.agents.batch import Batch, Lanes, Pending
from router.agents.decode import Message
from router.agents.emit import Emit
from router.agents.events import Events
from router.agents.pipeline import Pipeline
from router.agents.route import Choice
from router.agents.transform import Transform
from router.events.event import Body, Event
from router.events.parser import encode
from router.events.records import Record
from router.metrics import STOPPED

LONGEST = 60  # characters of a value that is shown
_MISSING: Any = object()


@dataclass(slots=True)
class Step:
    """One agent's part. `ended` says that the event does not go to the destination, because of it."""

    agent: str
    lines: list[str] = field(default_factory=list)
    ended: bool = False


@dataclass(slots=True)
class EventTrace:
    """One event's way. `record` is what is written for the destination; None where the event does not go there."""

    source: str
    type: str
    name: str
    message_id: str
    steps: list[Step] = field(default_factory=list)
    record: Record | None = None

    def step(self, agent: str) -> Step:
        """The agent's step; an event that gets a new name meets the agents again."""
        known = next((one for one in self.steps if one.agent == agent), None)
        if known is None:
            known = Step(agent)
            self.steps.append(known)
        return known


class TracedPipeline(Pipeline):
    """Notes what its agents do to each event, in `traces`. `watch` says for which destination."""

    def watch(self, destination: str, topic: str, shown: Callable[[Any], Any]) -> None:
        """`shown` gives a body as people may see it."""
        self._destination, self._topic, self._shown = destination, topic, shown
        self.traces: list[EventTrace] = []
        self._of: dict[int, EventTrace] = {}
        self.rejected: list[str] = []  # why the last message was no event
        self._kept: list[Event] = []  # so that no event gets the id of one before

    def run(self, messages: Sequence[Message], lanes: Lanes, pending: Pending | None = None) -> Batch:
        """As every pipeline; `rejected` has the reasons of what is no event."""
        batch = super().run(messages, lanes, pending)
        self.rejected = _reasons(self.decode, batch)
        return batch

    def expanded(self, events: Iterable[Event], batch: Batch) -> Iterable[Event]:
        """As every pipeline; what a source's function makes of an event is a step of each that comes of it."""
        held = list(events)
        before = [self._shown(event.body) for event in held[:1]]
        made = list(super().expanded(held, batch))
        for event in made if self._expanding else ():
            step = self._trace(event).step(Transform.name)
            step.lines += changes(before[0], self._shown(event.body))
        return made

    def _trace(self, event: Event) -> EventTrace:
        trace = self._of.get(id(event))
        if trace is None:
            trace = EventTrace(event.source, event.type, event.name, event.body["messageId"])
            self._of[id(event)] = trace
            self._kept.append(event)
            self.traces.append(trace)
        return trace

    def prepare(self, event: Event) -> None:
        trace = self._trace(event)
        for agent in self.agents:
            step = agent.compile((event.source, event.type, event.name))
            if step is None:
                continue
            before, choice = self._body(event), event.choice
            ended = step(event)
            if not isinstance(agent, Emit):
                self._note(trace, agent, event, before, choice)
            if ended is RENAMED:
                self.prepare(event)
            if ended:
                return

    def process(self, events: Events, batch: Batch) -> None:
        """The agents' work on the batch; who ends here is noted with the reason."""
        batch.received.update(events.by_lane())
        for agent in self.agents:
            self.at_work = agent.name
            going_on = agent.process(events, batch)
            left = {id(event) for event in going_on.objects.values()}
            for event in events.objects.values():
                if id(event) not in left:
                    self._ended(event, agent, batch)
            events = going_on
        chosen = [event for event in events.objects.values() if self._destination in event.choice.chosen]
        written = [record for record in batch.outputs() if record[0] == self._topic]
        for event, record in zip(chosen, written, strict=True):
            self._of[id(event)].record = record

    def _body(self, event: Event) -> Body:
        choice: Choice | None = event.choice
        body = choice.bodies.get(self._destination, event.body) if choice is not None else event.body
        return self._shown(body)  # type: ignore[no-any-return]

    def _note(self, trace: EventTrace, agent: Agent, event: Event, before: Body, choice: Choice | None) -> None:
        step = trace.step(agent.name)
        step.lines += agent.explain(event, self._destination)
        reason = self._refusal(event.choice, choice)
        if reason:
            step.ended = True
            step.lines.append(f"not sent: {reason}: {agent.reasons.get(reason, '')}")
        elif event.choice is not None and choice is None and self._destination not in event.choice.chosen:
            step.ended = True
            step.lines.append(f"not sent: the destination takes nothing from the source {event.source}")
        else:
            step.lines += changes(before, self._body(event))

    def _refusal(self, choice: Choice | None, before: Choice | None) -> str:
        """Why an agent has kept the event from the destination."""
        known = before.refused if before is not None else ()
        found = [pair for pair in (choice.refused if choice is not None else ()) if pair not in known]
        return next((reason for name, reason in found if name == self._destination), "")

    def _ended(self, event: Event, agent: Agent, batch: Batch) -> None:
        step = self._of[id(event)].step(agent.name)
        step.ended = True
        step.lines += [f"ends here: {reason}" for reason in _reasons(agent, batch)]


def _reasons(agent: Agent, batch: Batch) -> list[str]:
    """Why events of the batch have ended with this agent."""
    found = [labels[2] for metric, labels in batch.counts if metric is STOPPED and labels[0] == agent.name]
    return [f"{reason}: {agent.reasons[reason]}" for reason in found]


def changes(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """What differs, a line for each field: `properties.total = 9.5`, `traits.ssn removed`."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            inner = partial(changes, path=f"{path}.{name}" if path else str(name))
            yield from inner(before.get(name, _MISSING), after.get(name, _MISSING))
    elif after is _MISSING:
        yield f"{path} removed"
    elif before is _MISSING or before != after:
        text = encode(after).decode()
        yield f"{path} = {text if len(text) <= LONGEST else text[:LONGEST] + '…'}"
