"""validate: check each event against its source's tracking plan: omit, block, report.

What is blocked is kept in `events.blocked`, each violation in `events.violations`; both may be forwarded to a source.
Repeats are gone by then, so a violation is reported once; the same one beyond ten a second as a number
(`violation_reports`). Without state that has to last: kill -9 loses nothing here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, NamedTuple, Self, cast

from router.agents.agent import Agent, Ending, Prepare, RouteKey, Setup
from router.agents.batch import Batch
from router.agents.dedupe import key_of_blocked
from router.agents.events import Events
from router.agents.verdict import Enforcement, Verdict, mark
from router.agents.violation_reports import ViolationReports
from router.config.models import Enforce
from router.events.event import Event
from router.events.records import blocked_record, violation_generated
from router.events.topics import Topics
from router.metrics import VIOLATIONS


class Forward(NamedTuple):
    """Where a source's blocked events and violations go besides their own topics."""

    blocked_to: str | None = None
    violations_to: str | None = None


_NOWHERE = Forward()


def _forward(enforce: Enforce) -> Forward:
    return Forward(enforce.forward_blocked_to, enforce.forward_violations_to)


class Validate(Agent):
    """`rules` are those of all sources."""

    name = "validate"
    ending = Ending(
        "blocked",
        "Blocked by the tracking plan; kept in events.blocked",
        "blocked",
        "by the tracking plan; router tap events.blocked --from-beginning --json",
    )
    reasons: ClassVar = {
        "plan": "the tracking plan does not allow it",
        "source_rule": "a rule of the source blocks it",
    }
    counters = (VIOLATIONS,)

    def __init__(
        self,
        topics: Topics,
        rules: Mapping[str, Enforcement],
        forward: Mapping[str, Forward] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._topics = topics
        self._reports = ViolationReports(topics.violations, clock)
        self.rules = dict(rules)
        self._forward = dict(forward or {})

    @classmethod
    def build(cls, setup: Setup) -> Self:
        loaded, sources = setup.loaded, setup.loaded.topology.sources
        return cls(
            setup.topics,
            {name: Enforcement(loaded.plans.get(name), source.enforce) for name, source in sources.items()},
            {name: _forward(source.enforce) for name, source in sources.items()},
            setup.clock,
        )

    def compile(self, key: RouteKey) -> Prepare | None:
        source, call_type, name = key
        rules = self.rules[source]
        if rules.plan is None:
            return None
        conforms, reference = rules.conforms(call_type, name), rules.reference
        forwards = self.forwards_violations(source)

        def prepare(event: Event) -> bool:
            body = event.body
            try:
                if conforms(body):
                    mark(body, reference)
                    return False
                verdict = rules.judge(body)
            except ValueError:  # the plan's engine cannot look into it
                verdict = rules.unreadable(body)
            event.judged(verdict, keep=verdict.blocked or forwards)
            if verdict.blocked:
                event.digest = key_of_blocked(event.digest)
                return True
            mark(body, reference)
            return False

        return prepare

    def forwards_violations(self, source: str) -> bool:
        """Whether each violation of this source's events becomes an event of another source."""
        return self._forward.get(source, _NOWHERE).violations_to is not None

    def explain(self, event: Event, destination: str) -> Iterator[str]:
        for violation in event.verdict.violations if event.verdict is not None else ():
            yield f"{violation.klass}: {violation.pointer or '(event)'}: {violation.message}"

    def process(self, events: Events, batch: Batch) -> Events:
        """Report violations; keep what is blocked in `events.blocked`."""
        judged = events.judged()
        if not judged:
            return events
        for kind, number, record in self._reports.records(events):
            batch.records.append(record)
            batch.count(VIOLATIONS, kind.source, kind.violation.klass, number=number)
        kept: list[int] = []
        ended: dict[str, list[int]] = {"source_rule": [], "plan": []}
        for alike, rows in judged:
            verdict = cast("Verdict", alike.verdict)
            if verdict.blocked:
                ended["source_rule" if verdict.violations[0].klass == "source_rule" else "plan"] += rows
            if verdict.blocked or self.forwards_violations(alike.source):
                kept += rows
        for row in sorted(kept):
            self._keep(events.objects[row], batch)
        for reason, rows in ended.items():
            self.end(events.ended(rows), reason, batch)
        return events.without(ended["source_rule"] + ended["plan"])

    def _keep(self, event: Event, batch: Batch) -> None:
        """Write the event itself where it is blocked, and what goes to other sources."""
        verdict: Verdict = event.verdict
        forward = self._forward.get(event.source, _NOWHERE)
        if verdict.blocked:
            reference = self.rules[event.source].reference
            batch.records.append(blocked_record(self._topics.blocked, event, verdict.violations, reference))
            if forward.blocked_to:
                batch.send_again(self._topics.keyed, event, event.body, forward.blocked_to)
        if forward.violations_to:
            for number, violation in enumerate(verdict.violations):
                generated = violation_generated(event, violation, number)
                batch.send_again(self._topics.keyed, event, generated, forward.violations_to)
