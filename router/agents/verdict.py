"""What a source's tracking plan and its actions by class (allow, omit, block) say of an event.

`omit` removes exactly the offending value and keeps it under `context.protocols.omitted`, as a mapping of its JSON
pointer in the event as it came to the value. Pointers into an array count the items as they came. A section as a whole
(`properties`, `traits`) and top-level fields are never removed; what has nothing to remove is recorded and passes.
Pure, and total: any JSON value in any place gives a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

from router.config.models import Action, Enforce
from router.document import Pointer, json_pointer
from router.plan import CompiledPlan, Violation
from router.plan.compile import CompiledRule, Finding
from router.plan.model import CALL_TYPES

REMEMBERED = 4096  # verdicts of a source
MAX_VIOLATIONS = 100
"""An event's violations beyond these become one that gives their number."""
_CLASSES = ("unplanned_event", "unplanned_property", "violation", "common")
_REMOVABLE = frozenset(("properties", "traits", "context"))
_WEIGHT: dict[Action, int] = {"allow": 0, "omit": 1, "block": 2}
_UNREADABLE = "expected Unicode text and at most 255 levels, got an event that cannot be looked into"


Removals = list[tuple[Pointer, str | int, str]]
"""Values to take out of an event: the path to what holds each, its name or number there, its JSON pointer."""


class Verdict(NamedTuple):
    """What is wrong with an event. If it is not blocked, the event has lost what `omit` removes."""

    blocked: bool
    violations: tuple[Violation, ...]


class Enforcement:
    """A source's plan and its actions, resolved once. A call type's own action stands before the source's.

    `reference` is the plan's name and revision; empty without a plan.
    """

    def __init__(self, plan: CompiledPlan | None, enforce: Enforce) -> None:
        self.plan = plan
        self.reference = plan.plan.stamp if plan else ""
        self.actions: dict[Any, dict[str, Action]] = {
            call_type: {klass: _action(enforce, call_type, klass) for klass in _CLASSES} for call_type in CALL_TYPES
        }
        self._known: dict[tuple[CompiledRule, Hashable], tuple[Verdict, Removals]] = {}

    def check(self, body: dict[str, Any]) -> Verdict | None:
        """None for an event that conforms."""
        if self.plan is None:
            return None
        try:
            return None if self.plan.find(body).is_valid(body) else self.judge(body)
        except ValueError:
            return self.unreadable(body)

    def conforms(self, call_type: str, name: str) -> Callable[[dict[str, Any]], bool]:
        """A function that is true where `check` gives None, for events of this type and name.

        It is false where `judge` must tell, and raises ValueError where the event is `unreadable`.
        """
        if self.plan is None:
            return _always
        rule = self.plan.only_rule(call_type, name)
        if rule is None:
            return self._finds_its_rule
        rule.prepare()
        return rule.is_valid

    def _finds_its_rule(self, body: dict[str, Any]) -> bool:
        assert self.plan is not None
        return self.plan.find(body).is_valid(body)

    def judge(self, body: dict[str, Any]) -> Verdict:
        """The verdict on an event that does not conform: decided once for all events of the same fingerprint.

        Raises ValueError for one that cannot be looked into.
        """
        assert self.plan is not None
        rule = self.plan.find(body)
        fingerprint = rule.fingerprint(body)
        found = self._known.get((rule, fingerprint)) if fingerprint is not None else None
        if found is None:
            found = self._decide(body["type"], rule.findings(body))
            if fingerprint is not None:
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
                self._known[rule, fingerprint] = found
        verdict, offending = found
        if offending:
            _remove(body, offending)
        return verdict

    def passed(self, rule: CompiledRule, body: dict[str, Any]) -> tuple[Verdict, list[Pointer]] | None:
        """The verdict on an event of this rule, and what to omit of it, in order; None for one that is blocked.

        The sections that the rule looks at suffice for a body. Raises ValueError as `judge` does.
        """
        verdict, offending = self._decide(rule.call_type, rule.findings(body))
        return None if verdict.blocked else (verdict, [(*path, name) for path, name, _ in reversed(offending)])

    def passes(self, call_type: str) -> bool:
        """Whether an event of this type that breaks its plan may go on."""
        return any(action != "block" for action in self.actions[call_type].values())

    def unreadable(self, body: dict[str, Any]) -> Verdict:
        """On one of which the engine raises: it takes Unicode only, and tells what is wrong in 255 levels only."""
        assert self.plan is not None
        plan, rule = self.plan.plan, self.plan.find(body)
        violation = Violation("violation", "Unreadable", "", _UNREADABLE, plan.name, rule.title, rule.version)
        return self._decide(body["type"], [Finding(violation, ())])[0]

    def _decide(self, call_type: str, findings: list[Finding]) -> tuple[Verdict, Removals]:
        """The verdict, and what is to be omitted."""
        actions = self.actions[call_type]
        findings = _once(findings, actions)
        blocked = any(actions[found.violation.klass] == "block" for found in findings)
        offending = [found.path for found in findings if actions[found.violation.klass] == "omit"]
        verdict = Verdict(blocked, _bounded([found.violation for found in findings]))
        return verdict, [] if blocked else _removals(offending)


def mark(body: dict[str, Any], reference: str) -> None:
    """Write at `context.protocols.plan` which revision the event was checked against. Call it after `check`.

    Left out without a plan, and where `context` or `protocols` is something else than an object.
    """
    if not reference:
        return
    context = body.get("context")
    if context is None:
        body["context"] = {"protocols": {"plan": reference}}
    elif type(context) is dict:
        protocols = context.get("protocols")
        if protocols is None:
            context["protocols"] = {"plan": reference}
        elif type(protocols) is dict:
            protocols["plan"] = reference


def _always(_: dict[str, Any]) -> bool:
    return True


def _action(enforce: Enforce, call_type: str, klass: str) -> Action:
    if enforce.report_only:
        return "allow"
    own: Action | None = getattr(getattr(enforce, call_type), klass)
    general: Action | None = getattr(enforce, klass)
    return own or general or "allow"


def _once(findings: list[Finding], actions: dict[str, Action]) -> list[Finding]:
    """A name that the plan and `additionalProperties: false` both refuse counts once, by the stricter action."""
    unplanned = {found.path for found in findings if found.violation.klass == "unplanned_property"}
    if not unplanned:
        return findings
    by_schema = [found for found in findings if found.path in unplanned and _refuses_name(found.violation)]
    weaker = {id(found) for found in by_schema}
    if _WEIGHT[actions["violation"]] > _WEIGHT[actions["unplanned_property"]]:
        doubled = {found.path for found in by_schema}
        weaker = {id(found) for found in findings if found.path in doubled and id(found) not in weaker}
    return [found for found in findings if id(found) not in weaker]


def _refuses_name(violation: Violation) -> bool:
    return violation.klass == "violation" and violation.type in ("Additional Properties", "Unevaluated Properties")


def _bounded(violations: list[Violation]) -> tuple[Violation, ...]:
    if len(violations) <= MAX_VIOLATIONS:
        return tuple(violations)
    last = violations[MAX_VIOLATIONS - 1]
    more = f"expected fewer violations, got {len(violations) - MAX_VIOLATIONS + 1} more in this event"
    rest = Violation(last.klass, "More Violations", "", more, last.plan, last.rule, last.version)
    return (*violations[: MAX_VIOLATIONS - 1], rest)


def omit(body: dict[str, Any], paths: Iterable[Pointer]) -> None:
    """Take the values at these places out of the event and keep them under `context.protocols.omitted`."""
    _remove(body, _removals(paths))


def _removals(paths: Iterable[Pointer]) -> Removals:
    """The places to take values out of, in the order in which none moves another one."""
    chosen = {path for path in paths if _removable(path)}
    outermost = [path for path in chosen if not any(path[:length] in chosen for length in range(2, len(path)))]
    ordered = sorted(outermost, key=_from_the_end, reverse=True)
    return [(path[:-1], path[-1], json_pointer(path)) for path in ordered]


def _remove(body: dict[str, Any], removals: Removals) -> None:
    omitted: dict[str, Any] = {}
    for path, name, pointer in removals:
        holder: Any = body
        try:
            for part in path:
                holder = holder[part]
            omitted[pointer] = holder.pop(name)
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # there is no such value
    if omitted:
        _keep(body, dict(reversed(omitted.items())))


def _removable(path: Pointer) -> bool:
    return len(path) > 1 and path[0] in _REMOVABLE and path[:2] != ("context", "protocols")


def _from_the_end(path: Pointer) -> list[tuple[int, str]]:
    """Items of an array in the order of their numbers, so that the last goes first and no place shifts."""
    return [(part, "") if isinstance(part, int) else (0, part) for part in path]


def _keep(body: dict[str, Any], omitted: dict[str, Any]) -> None:
    """Into `context.protocols.omitted`; what stood there in another shape is kept as omitted too."""
    place: Any = body
    for path in (("context",), ("context", "protocols"), ("context", "protocols", "omitted")):
        held = place.get(path[-1])
        if not isinstance(held, dict):
            if held is not None:
                omitted[json_pointer(path)] = held
            held = place[path[-1]] = {}
        place = held
    place.update(omitted)
