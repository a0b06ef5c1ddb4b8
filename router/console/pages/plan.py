"""`/plans/NAME`: a plan's rules with what they count, what breaks it, what it does not know, and its revisions.

Tabs are `?tab=`: rules (the default), violations, unplanned, revisions. `old` and `new` are the revisions compared.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from router.console.over_time import NOT_ASKED, OverTime, ask
from router.console.page import Page, not_found
from router.console.period import ChosenPeriod, chosen_period
from router.console.plan_folders import NOW, PlanHistory, plan_names
from router.console.sight import LatestCounts, Sight
from router.console.states import Tone
from router.console.templates import Shown
from router.document import nearest
from router.errors import RouterError
from router.insights.schema import EventRow, EventsAnswer, ViolationRow, ViolationsAnswer
from router.plan.model import NAMED, Plan, Rule
from router.plan_tools.diff import Class, PlanChange
from router.plan_tools.diff.report import summary

TABS = {"rules": "Rules", "violations": "Violations", "unplanned": "Unplanned", "revisions": "Revisions"}
MOST_ROWS = "2000"
MOST_AT_ONCE = 40  # changes of a plan
_TONES: Mapping[Class, Tone] = {"breaking": "trouble", "risky": "attention", "safe": "fine"}


@dataclass(slots=True)
class RuleLine:
    """A rule, with what was counted of its events in the time asked for, all of its versions together."""

    rule: Rule
    events: int = 0
    violations: int = 0
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """`unplanned` are events by name that have no rule, `violations` those of the plan's own sources."""

    rules: list[RuleLine] = field(default_factory=list)
    unplanned: list[EventRow] = field(default_factory=list)
    violations: list[ViolationRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Compared:
    """Two revisions and what changed from one to the other; `error` where that cannot be said."""

    old: str
    new: str
    changes: Sequence[PlanChange] = ()
    error: str = ""

    @property
    def summary(self) -> str:
        return summary(self.changes)

    @property
    def parts(self) -> list[tuple[str, Sequence[PlanChange]]]:
        """Tables with what each is called. One without a name is shown at once: of many changes those that matter."""
        if len(self.changes) <= MOST_AT_ONCE:
            return [("", self.changes)] if self.changes else []
        safe = [one for one in self.changes if one.klass == "safe"]
        others = [one for one in self.changes if one.klass != "safe"]
        first, rest = others[:MOST_AT_ONCE], others[MOST_AT_ONCE:]
        made = [("", first), (f"{len(rest):,} more, breaking ones first", rest), (f"{len(safe):,} safe", safe)]
        return [(words, rows) for words, rows in made if rows]


async def answer(sight: Sight, request: web.Request) -> Shown:
    name, named = request.match_info["name"], plan_names(sight.loaded)
    if name not in named:
        return not_found("plan", name, nearest(name, named), "/plans")
    folder, sources = named[name]
    tab = request.query.get("tab", "rules")
    tab = tab if tab in TABS else "rules"
    span = chosen_period(request.query, int(time.time() * 1000), {"tab": tab} if tab != "rules" else {})
    plan = await sight.read(lambda: sight.plans.read(folder))
    about = PlanPage(name, plan, sources, await sight.counts(), tab, span)
    if tab == "revisions":
        history = await sight.read(lambda: sight.plans.history(folder))
        old, new = request.query.get("old", ""), request.query.get("new", NOW)
        old = old or next((one.id for one in history.revisions[:2][::-1]), NOW)  # the latest commit and what is not yet
        async with sight.searches:
            compared = await sight.read(lambda: compare(sight, folder, old, new))
        return about.shown(history=history, compared=compared)
    address, question = sight.options.insights, span.question
    events = await ask(address, "/v1/events", EventsAnswer, limit=MOST_ROWS, **question)
    violations = await ask(address, "/v1/violations", ViolationsAnswer, limit=MOST_ROWS, **question)
    return about.shown(events=events, violations=violations)


def compare(sight: Sight, folder: Path, old: str, new: str) -> Compared:
    """What `router plan diff` says of them."""
    try:
        return Compared(old, new, sight.plans.changes(folder, old, new))
    except RouterError as error:
        return Compared(old, new, error=str(error))


def counted(plan: Plan, events: Iterable[EventRow], violations: Iterable[ViolationRow]) -> PlanCounts:
    """What a plan's sources have sent, by rule. Pure."""
    made = PlanCounts([RuleLine(rule) for rule in plan.rules], violations=list(violations))
    lines: dict[tuple[str, str | None], list[RuleLine]] = {}
    for line in made.rules:
        lines.setdefault((line.rule.type, line.rule.name), []).append(line)
    typed = {rule.type for rule in plan.rules}
    for row in events:
        own = lines.get((row.type, row.event or None)) or lines.get((row.type, None))
        for line in own or ():
            line.events += row.resolved + row.blocked
            line.violations += row.violations
            line.last_seen = max(filter(None, (line.last_seen, row.last_seen)), default=None)
        if own is None and (row.type == "track" or (row.type in NAMED and row.type in typed)):
            made.unplanned.append(row)
    made.rules.sort(key=lambda line: (-line.violations, -line.events, line.rule.title))
    return made


@dataclass(frozen=True, slots=True)
class PlanPage:
    """What all tabs of a plan have."""

    name: str
    plan: Plan
    sources: Sequence[str]
    counts: LatestCounts
    tab: str
    span: ChosenPeriod

    def shown(
        self, *, events: OverTime = NOT_ASKED, violations: OverTime = NOT_ASKED, history: PlanHistory | None = None,
        compared: Compared | None = None,
    ) -> Shown:  # fmt: skip
        """The page. Pure."""
        one, other = events.of(EventsAnswer), violations.of(ViolationsAnswer)
        rows = [row for row in one.rows if row.source in self.sources] if one else []
        broken = [row for row in other.rows if row.source in self.sources] if other else []
        seen = self.counts.look.seen if self.counts.look else None
        in_force = {source: seen.plans.get(source, ()) if seen else () for source in self.sources}
        values: dict[str, Any] = {
            "name": self.name, "plan": self.plan, "sources": self.sources, "counts": self.counts, "tab": self.tab,
            "tabs": TABS, "span": self.span, "found": counted(self.plan, rows, broken), "in_force": in_force,
            "away": events.away or violations.away if self.tab != "revisions" else "", "over": one,
            "history": history, "compared": compared, "tones": _TONES, "now_id": NOW,
        }  # fmt: skip
        return Shown("plan.html", self.name, values)


PAGE = Page("/plans/{name}", "Plans", answer)
