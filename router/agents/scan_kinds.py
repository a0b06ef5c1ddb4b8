"""The kinds of events that the native scanner takes, each learned when an event of it has gone the long way.

A kind is what events of one source, type and name have in common: what their plan says, as far as the scanner's tables
hold it, and which agents have to be asked or look into each of them. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import orjson

from router.agents.agent import Agent, Prepare, RouteKey
from router.agents.dedupe import Dedupe, mark_of
from router.agents.emit import Emit, OutHeaders
from router.agents.events import Alike
from router.agents.identify import Identify
from router.agents.route import Route
from router.agents.validate import Validate
from router.agents.verdict import Verdict
from router.document import Pointer
from router.events.event import Body
from router.native.automaton import Uncertain
from router.native.scanner import ALWAYS_JUDGED, JUDGED, LEFT, NO_SOURCE, EventScanner, KindOf
from router.native.tables import ANYTHING, Referred
from router.plan.compile import CompiledRule
from router.plan.model import section_of

MOST_KINDS = 512
REMEMBERED = 10_000  # names that were looked at
USUAL: tuple[type[Agent], ...] = (Dedupe, Validate, Identify, Route, Emit)
_TYPES = frozenset(("track", "page", "screen", "identify", "group"))
Steps = Sequence[tuple[Agent, Prepare]]


class ScanPlan(NamedTuple):
    """What the plan says of events of a kind: nodes for the scanner, and whom to ask where they do not say it all.

    `whole`: the plan needs all of the event to find its rule. `broken` says what becomes of events that break it;
    `passed` gives the verdict on one that goes on, and what to omit of it; None for others.
    """

    reference: str = ""
    node: int = ANYTHING
    context: int = ANYTHING
    asks: bool = False
    whole: bool = False
    ask: Callable[[Body], bool] | None = None
    broken: int = LEFT
    passed: Callable[[Body], tuple[Verdict, list[Pointer]] | None] | None = None

    def conforms(self, body: Body) -> bool:
        """Whether the plan is certain of these parts of an event, or of the whole."""
        try:
            return self.ask is None or self.ask(body)
        except ValueError:  # the plan's engine cannot look into it
            return False

    def verdict(self, body: Body) -> tuple[Verdict, list[Pointer]] | None:
        """That on an event that breaks the plan, by these parts of it, and what to omit; None where it is blocked."""
        try:
            return self.passed(body) if self.passed else None
        except ValueError:  # the plan's engine cannot look into it
            return None


@dataclass(frozen=True, slots=True, eq=False)
class ScanKind:
    """What events of one source, type and name have in common.

    `looks` are the steps that need the finished event, Emit the last; `reads` the fields that they need, None for all.
    """

    source: str
    type: str
    name: str
    alike: Alike
    headers: OutHeaders
    plan: ScanPlan
    route: Prepare
    identify: Prepare
    looks: tuple[Prepare, ...]
    reads: Collection[str] | None

    def parsed(self, section: bytes, context: bytes) -> Body:
        """What the plan looks at of an event."""
        parts = ((section_of(self.type), section), ("context", context))
        return {name: orjson.loads(text) for name, text in parts if text}


class ScanKinds:
    """Those of one pipeline; a kind's place in `all` is its number for the scanner."""

    def __init__(self, scanner: EventScanner, agents: Sequence[Agent]) -> None:
        self.all: list[ScanKind] = []
        self.sources: dict[str, int] = {}  # their numbers for the scanner
        self._scanner = scanner
        self._agents = agents
        self._learned: set[RouteKey] = set()

    def learn(self, key: RouteKey, steps: Steps) -> None:
        """Take such events from the next batch on, if all that `steps` do with them is understood."""
        if key in self._learned or len(self.all) >= MOST_KINDS:
            return
        if len(self._learned) >= REMEMBERED:
            self._learned = {(kind.source, kind.type, kind.name) for kind in self.all}
        self._learned.add(key)
        looks = _looks(steps)
        if key[1] not in _TYPES or looks is None:
            return
        try:
            plan = self._plan(key)
        except Uncertain:
            return
        self._add(key, steps, looks, plan)

    def _add(self, key: RouteKey, steps: Steps, looks: tuple[Prepare, ...], plan: ScanPlan) -> None:
        source, call_type, name = key
        number = self.sources.setdefault(source, len(self.sources))
        if number >= NO_SOURCE:
            return
        of = {type(agent): step for agent, step in steps}
        reference = orjson.dumps(plan.reference) if plan.reference else b""
        prefix = only(self._agents, Dedupe).prefix(source)
        self._scanner.add(
            KindOf(number, call_type, name, reference, prefix, plan.node, plan.context, plan.asks, plan.broken)
        )
        route: Route = only(self._agents, Route)
        headers, reads = only(self._agents, Emit).headers(key), _reads(key, steps, route.reached(key))
        alike = Alike(*key, mark_of(call_type, name), route.usual(key), headers.shared)
        self.all.append(ScanKind(source, call_type, name, alike, headers, plan, of[Route], of[Identify], looks, reads))

    def _plan(self, key: RouteKey) -> ScanPlan:
        """Raises Uncertain where the plan speaks of more than a section and the context, or no such event goes on."""
        validate: Validate = only(self._agents, Validate)
        source, call_type, name = key
        rules = validate.rules[source]
        if rules.plan is None:
            return ScanPlan()
        rule = rules.plan.only_rule(call_type, name)
        looked_at = rules.plan.sections(call_type) if rule is None else {*rule.own, *rule.common}
        unplanned = rule is not None and rule.unplanned is not None
        goes_on = rules.passes(call_type) and not validate.forwards_violations(source)
        if looked_at - {section_of(call_type), "context"} or (unplanned and not (goes_on and self._has_room())):
            raise Uncertain("a plan of more than a section and the context, or none")
        ask = rules.conforms(call_type, name)
        if rule is None:
            return ScanPlan(rules.reference, asks=True, whole=True, ask=ask)
        try:
            referred = rules.plan.plan.resources.referred
            section, context = (self._node(rule, name, referred) for name in (section_of(call_type), "context"))
        except Uncertain:
            if unplanned:
                raise
            return ScanPlan(rules.reference, asks=True, ask=ask)
        broken = LEFT if not goes_on else ALWAYS_JUDGED if unplanned else JUDGED
        passed = partial(rules.passed, rule) if goes_on else None
        return ScanPlan(rules.reference, section, context, ask=ask, broken=broken, passed=passed)

    def _has_room(self) -> bool:
        """For kinds that their plan does not know; they take half of the places at most, since anyone can make some."""
        unplanned = sum(kind.plan.broken == ALWAYS_JUDGED for kind in self.all)
        return unplanned < MOST_KINDS // 2

    def _node(self, rule: CompiledRule, section: str, referred: Referred) -> int:
        schemas: list[Any] = [held[section].standalone() for held in (rule.own, rule.common) if section in held]
        if rule.names and section != "context":
            schemas.append(rule.names)
        return self._scanner.nodes.node(schemas, referred)


def only(agents: Iterable[Agent], kind: type[Any]) -> Any:
    """The pipeline's agent of this class."""
    return next(agent for agent in agents if type(agent) is kind)


def _looks(steps: Steps) -> tuple[Prepare, ...] | None:
    """The steps behind Route that are not usual, and Emit behind them; None where one before Route is not usual."""
    found, behind = [], False
    for agent, step in steps:
        behind = behind or type(agent) is Route
        if type(agent) not in USUAL:
            if not behind:
                return None
            found.append(step)
    last, emit = steps[-1]
    return (*found, emit) if found and type(last) is Emit else None if found else ()


def _reads(key: RouteKey, steps: Steps, destinations: Collection[str]) -> Collection[str] | None:
    """The fields that agents need which are not usual; None for all of them."""
    read: set[str] = set()
    for agent, _ in steps:
        if type(agent) not in USUAL:
            fields = agent.reads(key, destinations)
            if fields is None:
                return None
            read.update(fields)
    return read
