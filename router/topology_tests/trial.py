"""An event tried on a destination: its way through the agents, the requests it becomes, and what the partner answers.

Nothing is written anywhere: the agents run over state in memory. What is sent carries the idempotency key that delivery
would give it, so a partner that knows repeats takes an event with the messageId of one it has for that very one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from router.config.loader import Loaded
from router.config.topics import topics_of
from router.delivery import transform
from router.delivery.item import Partition
from router.delivery.manager import connector_of
from router.delivery.read import read_item
from router.destinations import advice
from router.destinations.base import Connector, Delivery, Kind, Outcome
from router.destinations.http import HttpDestination, HttpRequest
from router.destinations.preview import RequestPreview, preview
from router.mask import Mask
from router.topology_tests.case_router import CaseRouter
from router.topology_tests.trace import EventTrace, Step, TracedPipeline, changes


@dataclass(slots=True)
class Trial:
    """`refusal` says why the event is not sent; `problems` are values that the mapping left out, by place.

    `written` is the event as the destination gets it; `outcome` is the partner's answer, once it was asked.
    """

    trace: EventTrace
    delivery: Delivery | None = None
    refusal: str = ""
    problems: list[str] = field(default_factory=list)
    requests: list[RequestPreview] = field(default_factory=list)
    written: Any = None
    outcome: Outcome | None = None
    answer: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it would be sent and, where the partner was asked, is taken."""
        return not self.refusal and (self.outcome is None or advice.accepted(self.outcome))

    @property
    def unanswered(self) -> bool:
        """Whether it was sent and the partner could not be reached."""
        return self.outcome is not None and advice.unreachable(self.outcome)

    def as_dict(self) -> dict[str, Any]:
        steps = [{"agent": one.agent, "says": one.lines, "ended": one.ended} for one in self.trace.steps]
        found: dict[str, Any] = {
            "source": self.trace.source, "type": self.trace.type, "event": self.trace.name,
            "messageId": self.trace.message_id, "accepted": self.accepted, "steps": steps, "refusal": self.refusal,
            "problems": self.problems, "requests": [one.as_dict() for one in self.requests], "written": self.written,
        }  # fmt: skip
        if self.outcome is not None:
            kind, code = self.outcome.kind.value, self.outcome.code
            words = advice.in_words(self.outcome)
            found["answer"] = {"outcome": kind, "code": code, "says": words, "response": self.answer}
        return found


class Trials:
    """Tries events on one destination, which counts as enabled, one after the other. `mask` hides what is secret."""

    def __init__(self, loaded: Loaded, destination: str, mask: Mask) -> None:
        self._mask = mask
        self._destination = destination
        self._problems: list[str] = []
        self.connector: Connector = connector_of(loaded, destination)
        self.connector.report = self._problems.extend
        topic = topics_of(loaded.topology).destination(destination)
        self._partition = Partition(topic, 0)
        self._router = CaseRouter(_enabled(loaded, destination), TracedPipeline)
        assert isinstance(self._router.pipeline, TracedPipeline)
        self._pipeline = self._router.pipeline
        self._pipeline.watch(destination, topic, mask.value)

    def run(self, item: Mapping[str, Any], now: float) -> list[Trial]:
        """Try an event of a source (its key `source`), received at `now` in seconds since 1970.

        A trial for each event that the source's function makes of it; one where there is no function.
        """
        number = len(self._pipeline.traces)
        self._router.take(item, int(now * 1000))
        if len(self._pipeline.traces) == number:
            source, call, name, message = (str(item.get(key, "")) for key in ("source", "type", "event", "messageId"))
            decode = Step("decode", list(self._pipeline.rejected), ended=True)
            trace = EventTrace(source, call, name, message, [decode])
            return [Trial(trace, refusal="the router takes it for no event")]
        traces = [trace for trace in self._pipeline.traces[number:] if trace.source == item["source"]]
        return [self._trial(trace, number + place, now) for place, trace in enumerate(traces)]

    def _trial(self, trace: EventTrace, number: int, now: float) -> Trial:
        trial = Trial(trace)
        if trace.record is None:
            trial.refusal = "it does not reach the destination"
        else:
            self._deliver(trial, number, now)
        return trial

    async def send(self, trials: Sequence[Trial]) -> None:
        """Send those that have a request, one by one, and note the answers."""
        await self.connector.open()
        try:
            for trial in trials:
                if trial.delivery is not None and not trial.refusal:
                    (trial.outcome,) = await transform.send(self.connector, [trial.delivery])
                    await self._explain(trial, trial.outcome)
        finally:
            await self.connector.close()

    async def _explain(self, trial: Trial, outcome: Outcome) -> None:
        assert trial.delivery is not None
        echoes = self._mask.hidden(trial.delivery.body)
        if outcome.exchange is not None:
            _, _, body = outcome.exchange.response.partition("\n\n")
            trial.answer = self._mask.json_text(body, echoes)
        outcome = replace(outcome, detail=self._mask.text(outcome.detail, echoes))
        trial.outcome = await advice.with_region(self.connector, outcome)

    def _deliver(self, trial: Trial, number: int, now: float) -> None:
        assert trial.trace.record is not None
        _, value, key, headers = trial.trace.record
        raw = [(name, text.encode() if isinstance(text, str) else text) for name, text in headers or ()]
        item = read_item(self._destination, self._partition, number, value, key, raw, time.monotonic())
        trial.delivery, trial.written = item.delivery, self._mask.value(item.delivery.body)
        self._problems.clear()
        for delivery in self._transformed(trial, item.delivery):
            self._map(trial, delivery, now)
        trial.problems = list(dict.fromkeys(self._problems))

    def _transformed(self, trial: Trial, delivery: Delivery) -> list[Delivery]:
        """What the destination's own function makes of it."""
        if self.connector.function is None:
            return [delivery]
        (made,) = transform.transformed(self.connector.function, self._destination, [delivery])
        if isinstance(made, Outcome):
            filtered = made.kind is Kind.FILTERED
            trial.refusal = "the function gives nothing for it" if filtered else f"{made.code}: {made.detail}"
            trial.trace.steps.append(Step("transform", [trial.refusal], ended=True))
            return []
        bodies = [self._mask.value(one.body) for one in made]
        lines = list(changes(trial.written, bodies[0]))
        trial.trace.steps.append(Step("transform", [*lines, f"{len(made)} events"] if len(made) > 1 else lines))
        trial.written = bodies if len(bodies) > 1 else bodies[0]
        return made

    def _map(self, trial: Trial, delivery: Delivery, now: float) -> None:
        if not isinstance(self.connector, HttpDestination):
            return
        for one in self.connector.mapped([delivery]):
            if isinstance(one, HttpRequest):
                trial.requests.append(preview(self.connector, one, self._mask, now))
            elif not trial.requests:
                kept = "it would be kept as a dead letter" if one.keep else "the mapping does not send it"
                trial.refusal = f"{one.reason}: {kept}"


def _enabled(loaded: Loaded, destination: str) -> Loaded:
    topology = loaded.topology
    config = topology.destinations[destination].model_copy(update={"enabled": True})
    return replace(
        loaded, topology=topology.model_copy(update={"destinations": {**topology.destinations, destination: config}})
    )
