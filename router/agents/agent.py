"""The contract of an agent: one step of the pipeline, one file of this package, one line in `pipeline.AGENTS`.

An agent declares how events end with it, why, and what else it counts; totals, metrics and status are made of that
(`router.agents.table`). It prepares events one by one, then processes them a batch at a time. No agent raises for bad
data; an exception is a bug, and the event that shows it is set aside (`router.agents.isolate`). Agents hold no state of
their own, so kill -9 loses nothing with them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple, Self

from prometheus_client import Counter as Metric

from router import metrics
from router.agents.batch import Batch, Seen
from router.agents.events import Events
from router.config.loader import Loaded
from router.config.topics import topics_of
from router.events.event import Event, Invalid
from router.events.records import Place
from router.events.topics import Topics

RouteKey = tuple[str, str, str]  # source, call type, event name (empty but for track)
Prepare = Callable[[Event], object]
RENAMED: Final = "renamed"  # what `prepare` gives for an event that has another name now: it begins anew


class Ending(NamedTuple):
    """One way for an event to end: the total `router_events_<name>_total`. Each event received has exactly one.

    `text` is the metric's help, `title` the heading in `router status` and the key in its JSON, `advice` what it says
    of such events (nothing for those that arrived).
    """

    name: str
    text: str
    title: str
    advice: str = ""


class Rejected(NamedTuple):
    """An item that is not an event, with its place."""

    invalid: Invalid
    lane: int
    place: Place
    key: bytes | None
    source: str
    stage: str = "parse"
    received: int = 0  # ms since 1970; 0 where it is not known


Reject = Callable[[Sequence[Rejected], Batch], None]


class Setup(NamedTuple):
    """What agents are built from: the topology, and the state they read. `clock` gives seconds.

    `identities` is the replica of the identity graph, `append` adds a record to the identity log and returns once the
    replica has applied it. `rekey`: events without a message key take a round by `events.keyed` first.
    """

    loaded: Loaded
    cluster: str
    seen: Seen
    identities: Any
    append: Callable[[bytes], None]
    rekey: bool = False
    clock: Callable[[], float] = time.time

    @property
    def topics(self) -> Topics:
        return topics_of(self.loaded.topology)


Ended = tuple[int, str]  # of an event, or what was meant to be one: its lane, and its source, empty where it has none


class Agent:
    """One step. `name` is the `error-stage` of events that make it raise.

    `reasons` say why events end here or, of an agent without an ending, why they do not reach a destination: a closed
    set of label values, each with a text for people. `counters` are its own, counted by `Batch.count`.
    """

    name: ClassVar[str]
    ending: ClassVar[Ending | None] = None
    reasons: ClassVar[Mapping[str, str]] = {}
    counters: ClassVar[tuple[Metric, ...]] = ()

    @classmethod
    def build(cls, setup: Setup) -> Self:
        """The agent of a topology."""
        raise NotImplementedError(f"{cls.__name__}.build")

    def expands(self) -> bool:
        """Whether `expand` has anything to do in this topology."""
        return False

    def expand(self, events: Sequence[Event], batch: Batch, reject: Reject) -> Sequence[Event]:
        """Replace events before any agent prepares them: what a function outside makes of a whole batch at once.

        What is no longer an event is given to `reject`, which keeps it in `events.invalid`. Events of a kind for which
        `compile` gives nothing may come without a body.
        """
        return events

    def compile(self, key: RouteKey) -> Prepare | None:
        """What to do with each event of this source, type and name; None for nothing. Called once for each key.

        An agent overrides it to decide once what all these events have in common.
        """
        return None if type(self).prepare is Agent.prepare else self.prepare

    def concerns(self, key: RouteKey, destinations: Collection[str]) -> bool:
        """Whether `prepare` has anything to do for such events, which can reach these destinations alone.

        An agent overrides it that speaks of destinations.
        """
        return True

    def reads(self, key: RouteKey, destinations: Collection[str]) -> Collection[str] | None:
        """The top-level fields that `prepare` needs of such events, to refuse destinations and change no body.

        None, unless an agent overrides it: all fields, or it may change some. An event then has to be parsed whole.
        """
        return None

    def prepare(self, event: Event) -> object:
        """Do all that needs the body, while it is fresh from the parser: it is released before `process`.

        True keeps the event from the agents behind this one: it is going to end here. RENAMED sends it through all
        agents again, by its new name.
        """
        raise NotImplementedError(f"{type(self).__name__}.prepare")

    def explain(self, event: Event, destination: str) -> Iterable[str]:
        """What it says of an event it has just prepared: lines for people (`router destinations try`), without values.

        What it has changed, and why the event does not go there, is seen without it.
        """
        return ()

    def process(self, events: Events, batch: Batch) -> Events:
        """Do what needs the whole batch; returns the events that go on, in order. The others have been ended."""
        return events

    def end(self, events: Sequence[Ended], reason: str, batch: Batch) -> None:
        """Count events as ended by this agent. `reason` is one of `reasons`."""
        if self.ending is None or reason not in self.reasons:
            raise ValueError(f"agent {self.name}: expected one of its reasons, got {reason}")
        if events:
            batch.ended[self.ending.name].update(lane for lane, _ in events)
            for source, number in Counter(source for _, source in events).items():
                batch.count(metrics.STOPPED, self.name, source, reason, number=number)
