"""transform: a source's own function, which gives for each event the event, several, or None.

Functions are called for a whole batch before any agent prepares its events, in processes apart. An event for which one
gives None is blocked, and kept in `events.blocked` with the class `source_rule`; one on which it fails or takes too
long is kept in `events.invalid`. Repeats are found afterwards, by the messageIds that the function returns.
Nothing is kept here: kill -9 loses nothing, and whatever else a function does may be done again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from router.agents.agent import Agent, Prepare, Reject, Rejected, RouteKey, Setup
from router.agents.batch import Batch
from router.agents.dedupe import key_of_blocked
from router.agents.verdict import Verdict
from router.events.event import Body, Event, Invalid, Limits, shape_problem
from router.events.parser import Repairs, encode
from router.events.reader import limited
from router.events.records import Place, Violation
from router.metrics import TRANSFORMED
from router.privacy.classes import Action, DataClasses
from router.transform.process import FunctionProcess, FunctionResult, completed

SAID_SECONDS = 60.0
log = logging.getLogger(__name__)


class Transform(Agent):
    """`functions` by source. `privacy` has the actions of each source, by class, for what goes to `events.invalid`."""

    name = "transform"
    counters = (TRANSFORMED,)

    def __init__(
        self,
        functions: Mapping[str, FunctionProcess],
        limits: Limits,
        classes: DataClasses,
        privacy: Mapping[str, Mapping[str, Action]],
    ) -> None:
        self._functions = dict(functions)
        self._limits = limits
        self._classes = classes
        self._privacy = dict(privacy)
        self._said: dict[str, float] = {}

    @classmethod
    def build(cls, setup: Setup) -> Self:
        loaded, topology = setup.loaded, setup.loaded.topology
        found = {name: loaded.functions.get(f"sources.{name}") for name in topology.sources}
        functions = {name: FunctionProcess(function) for name, function in found.items() if function is not None}
        return cls(functions, topology.limits.of_events(), topology.privacy.compiled(), topology.privacy.source)

    def expands(self) -> bool:
        return bool(self._functions)

    def expand(self, events: Sequence[Event], batch: Batch, reject: Reject) -> Sequence[Event]:
        replaced: dict[int, Sequence[Event]] = {}
        for source, function in self._functions.items():
            ours = [event for event in events if event.source == source]
            results = function.run([encode(event.body) for event in ours])
            for event, result in zip(ours, results, strict=True):
                replaced[id(event)] = self._made(event, result, batch, reject)
        return [made for event in events for made in replaced.get(id(event), (event,))]

    def compile(self, key: RouteKey) -> Prepare | None:
        return self.prepare if key[0] in self._functions else None

    def prepare(self, event: Event) -> bool:
        """True for an event that its function has dropped: it goes the way of what is blocked."""
        if event.verdict is None:
            return False
        event.digest = key_of_blocked(event.digest)
        return True

    def explain(self, event: Event, destination: str) -> Iterator[str]:
        if event.verdict is not None:
            yield "the function gives nothing for it"

    def _made(self, event: Event, result: FunctionResult, batch: Batch, reject: Reject) -> Sequence[Event]:
        """The events in the place of one."""
        owner = f"sources.{event.source}"
        if result.status == "dropped":
            batch.count(TRANSFORMED, owner, "dropped")
            _block(event)
            return [event]
        made = [self._event(event, body) for body in completed(result.events, event.body)] if result.ok else []
        problem = next((one for one in made if isinstance(one, str)), "")
        if result.ok and not problem:
            batch.count(TRANSFORMED, owner, "returned")
            return [one for one in made if isinstance(one, Event)]
        status = "failed" if problem else result.status
        batch.count(TRANSFORMED, owner, status)
        self._say(owner, f"it gave no event: {problem}" if problem else result.detail)
        self._reject(event, "transform_timeout" if status == "timeout" else "transform_failed", batch, reject)
        return ()

    def _event(self, event: Event, body: Body) -> Event | str:
        """The event of a body that the function gave, or the reason why it is none."""
        reason = shape_problem(body, self._limits, Repairs())
        if reason:
            return reason
        checked = limited(body, encode(body), self._limits)
        if isinstance(checked, Invalid):
            return checked.reason
        return Event(body, event.source, event.lane, event.offset, event.received, event.key, event.headers)

    def _reject(self, event: Event, reason: str, batch: Batch, reject: Reject) -> None:
        """What the source may not keep is not written here either."""
        body = self._classes.treat(event.body, self._privacy.get(event.source, {})).body
        place = Place(*batch.places[event.lane], event.offset)
        invalid = Invalid(reason, encode(body))
        rejected = Rejected(invalid, event.lane, place, event.key, event.source, self.name, event.received)
        reject([rejected], batch)

    def _say(self, owner: str, detail: str) -> None:
        """A sample of what goes wrong, once a minute for each function."""
        now = time.monotonic()
        if now - self._said.get(owner, -SAID_SECONDS) >= SAID_SECONDS:
            self._said[owner] = now
            log.warning("a transform failed on an event: %s", detail, extra={"owner": owner})


def _block(event: Event) -> None:
    message = "expected an event that the source's own function keeps"
    violation = Violation("source_rule", "Dropped Event", "", message, "", event.name, 0)
    event.judged(Verdict(True, (violation,)), keep=True)
