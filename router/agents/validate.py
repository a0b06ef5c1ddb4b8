"""validate: check each event against its source's tracking plan: omit, block, report.

What is blocked is kept in `events.blocked`, each violation in `events.violations`; both may be forwarded to a source.
Repeats are gone by then, so a violation is reported once. Without state: kill -9 loses nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

from router.agents.agent import Agent, Ending, Prepare, RouteKey, Setup
from router.agents.batch import Batch
from router.agents.dedupe import key_of_blocked
from router.agents.verdict import Enforcement, Verdict, mark
from router.config.models import Enforce
from router.events.event import Event
from router.events.records import blocked_record, violation_generated, violation_record
from router.events.topics import Topics
from router.metrics import VIOLATIONS


class Forward(NamedTuple):
    """Where a source's blocked events and violations go besides their own topics."""

    blocked_to: str | None = None
    violations_to: str | None = None


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
        self, topics: Topics, rules: Mapping[str, Enforcement], forward: Mapping[str, Forward] | None = None
    ) -> None:
        self._topics = topics
        self.rules = dict(rules)
        self._forward = dict(forward or {})

    @classmethod
    def build(cls, setup: Setup) -> Self:
        loaded, sources = setup.loaded, setup.loaded.topology.sources
        return cls(
            setup.topics,
            {name: Enforcement(loaded.plans.get(name), source.enforce) for name, source in sources.items()},
            {name: _forward(source.enforce) for name, source in sources.items()},
        )

    def compile(self, key: RouteKey) -> Prepare | None:
        source, call_type, name = key
        rules = self.rules[source]
        if rules.plan is None:
            return None
        conforms, reference = rules.conforms(call_type, name), rules.reference

        def prepare(event: Event) -> bool:
            body = event.body
            try:
                if conforms(body):
                    mark(body, reference)
                    return False
            except ValueError:  # the plan's engine cannot look into it: `check` says so
                pass
            return self._judge(event, rules)

        return prepare

    def _judge(self, event: Event, rules: Enforcement) -> bool:
        """Whether the event is going to be blocked. Its body is kept, for the records about it."""
        verdict = event.verdict = rules.check(event.body)
        if verdict is not None:
            event.keep = True
            if verdict.blocked:
                event.digest = key_of_blocked(event.digest)
                return True
        mark(event.body, rules.reference)
        return False

    def explain(self, event: Event, destination: str) -> Iterator[str]:
        for violation in event.verdict.violations if event.verdict is not None else ():
            yield f"{violation.klass}: {violation.pointer or '(event)'}: {violation.message}"

    def process(self, events: Sequence[Event], batch: Batch) -> Sequence[Event]:
        """Report violations; keep what is blocked in `events.blocked`."""
        judged = [event for event in events if event.verdict is not None]
        if not judged:
            return events
        for event in judged:
            self._report(event, batch)
        blocked = [event for event in judged if event.verdict.blocked]
        by_rule = [event for event in blocked if event.verdict.violations[0].klass == "source_rule"]
        self.end(by_rule, "source_rule", batch)
        self.end([event for event in blocked if event not in by_rule] if by_rule else blocked, "plan", batch)
        return [event for event in events if event.verdict is None or not event.verdict.blocked]

    def _report(self, event: Event, batch: Batch) -> None:
        verdict: Verdict = event.verdict
        forward = self._forward.get(event.source, Forward())
        if verdict.blocked:
            reference = self.rules[event.source].reference
            batch.records.append(blocked_record(self._topics.blocked, event, verdict.violations, reference))
            if forward.blocked_to:
                batch.send_again(self._topics.keyed, event, event.body, forward.blocked_to)
        outcome = "blocked" if verdict.blocked else "allowed"
        for number, violation in enumerate(verdict.violations):
            batch.records.append(violation_record(self._topics.violations, event, violation, outcome))
            batch.count(VIOLATIONS, event.source, violation.klass)
            if forward.violations_to:
                generated = violation_generated(event, violation, number)
                batch.send_again(self._topics.keyed, event, generated, forward.violations_to)
