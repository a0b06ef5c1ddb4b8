"""All changes between two states of a plan, found by asking both which rule an event is held against, and how.

If no change is breaking, every event that the old plan fully allows is fully allowed by the new one. The one exception
is named where it occurs: an event that claims a version which the old plan did not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from router.document import json_pointer
from router.plan.compile import CompiledPlan, CompiledRule, compile_plan
from router.plan.model import CALL_TYPES, NAMED, SECTIONS, Plan, section_of
from router.plan_tools.diff.change import CLASSES, Class, PlanChange
from router.plan_tools.diff.narrowing import Narrowing, SchemaComparison, Side
from router.plan_tools.diff.notes import notes
from router.plan_tools.diff.tree import Tree
from router.plan_tools.diff.words import breaking, wider
from router.plan_tools.value import Value

_OTHER = "\0"  # a name that no plan has
_OBJECT = frozenset(("object",))


def diff(old: Plan, new: Plan) -> list[PlanChange]:
    """The changes, breaking ones first; changes that several rules share stand once."""
    found = list(notes(old, new))
    known: set[Any] = set()
    one, other = compile_plan(old), compile_plan(new)
    for call_type in CALL_TYPES:
        for name in _names(old, new, call_type):
            for version in _versions(old, new, call_type, name):
                found += _event(one, other, call_type, name, version, known)
    return _joined(found)


def _names(old: Plan, new: Plan, call_type: str) -> list[str | None]:
    """Every name that either plan has a rule for, and None, which stands for all others."""
    names = {rule.name for plan in (old, new) for rule in plan.rules if rule.type == call_type and rule.name}
    return [*sorted(name for name in names if name), None]


def _versions(old: Plan, new: Plan, call_type: str, name: str | None) -> list[int | None]:
    """None stands for events that claim no version."""
    return [None, *sorted(_numbers(old, call_type, name) | _numbers(new, call_type, name))]


def _held(plan: CompiledPlan, call_type: str, name: str | None, version: int | None) -> CompiledRule:
    """The rule of such an event."""
    body: dict[str, Any] = {"type": call_type, "context": {"protocols": {"event_version": version}}}
    if call_type in NAMED:
        body[NAMED[call_type]] = name or _OTHER
    return plan.find(body)


def _event(
    one: CompiledPlan, other: CompiledPlan, call_type: str, name: str | None, version: int | None, known: set[Any]
) -> Iterator[PlanChange]:
    before, after = _held(one, call_type, name, version), _held(other, call_type, name, version)
    own = _rule_of(before, name), _rule_of(after, name)
    several = len(_numbers(one.plan, call_type, name) | _numbers(other.plan, call_type, name)) > 1
    title = _title(call_type, name, (version or before.version or after.version) if several else None)
    if before.unplanned or after.unplanned:
        if (call_type, name) not in known:
            known.add((call_type, name))
            yield from _planned(before, after, title)
        return
    if version is not None and version not in _numbers(one.plan, call_type, name):
        yield PlanChange("safe", (title,), "", f"version {version} is new; events that claim it are held against it")
        return
    if (id(before), id(after)) in known:
        return
    known.add((id(before), id(after)))
    yield from _own_rule(own, title)
    yield from _compared(before, after, title)


def _rule_of(held: CompiledRule, name: str | None) -> bool:
    """Whether an event's rule is its own, not the one for all other names."""
    return held.rule is not None and held.rule.name == name


def _numbers(plan: Plan, call_type: str, name: str | None) -> set[int]:
    return {rule.version for rule in plan.versions(call_type, name)}


def _title(call_type: str, name: str | None, version: int | None) -> str:
    title = name or (f"other {call_type} calls" if call_type in NAMED else call_type)
    return f"{title} (version {version})" if version else title


def _planned(before: CompiledRule, after: CompiledRule, title: str) -> Iterator[PlanChange]:
    if before.unplanned and not after.unplanned:
        yield PlanChange("safe", (title,), "", "is planned from now on")
    elif after.unplanned and not before.unplanned:
        yield PlanChange("breaking", (title,), "", "is no longer planned; such events are unplanned from now on")


def _own_rule(own: tuple[bool, bool], title: str) -> Iterator[PlanChange]:
    """A rule came or went, and another one holds for the events now."""
    if own == (False, True):
        yield PlanChange("safe", (title,), "", "has a rule of its own from now on")
    elif own == (True, False):
        yield PlanChange("risky", (title,), "", "has no rule of its own any more; the rule for other names holds")


def _compared(before: CompiledRule, after: CompiledRule, title: str) -> Iterator[PlanChange]:
    if before.rule and after.rule and before.version != after.version:
        gone = f"version {before.version} is gone; its events are held against version {after.version}"
        yield PlanChange("risky", (title,), "", gone)
    for section in SECTIONS:
        sides = _sides(before, after, section)
        less = list(SchemaComparison().narrowings(*sides, types=_OBJECT))
        more = list(SchemaComparison().narrowings(*sides[::-1], types=_OBJECT))
        yield from _told(less, more, title, () if section == "message" else (section,))


def _sides(before: CompiledRule, after: CompiledRule, section: str) -> tuple[Side, Side]:
    return _side(before, section), _side(after, section)


def _side(held: CompiledRule, section: str) -> Side:
    """What a rule and the common schemas say of a section."""
    parts = [part[section] for part in (held.own, held.common) if section in part]
    tree = Tree.of(held.names if section == section_of(held.call_type) else None)
    return Side(Value(held.engine.plan.resources, [(resource, ()) for resource in parts]), tree)


def _told(less: list[Narrowing], more: list[Narrowing], title: str, prefix: tuple[str, ...]) -> Iterator[PlanChange]:
    """Narrowings as breaking changes; what only widens as risky or safe ones."""
    seen = {(narrowing.kind, narrowing.path) for narrowing in less}
    needed = {narrowing.path for narrowing in less if narrowing.kind == "required"}
    for narrowing in dict.fromkeys(less):
        yield PlanChange("breaking", (title,), json_pointer((*prefix, *narrowing.path)), breaking(narrowing))
    for narrowing in dict.fromkeys(more):
        if (narrowing.kind, narrowing.path) in seen or (narrowing.kind == "unplanned" and narrowing.path in needed):
            continue
        klass, text = wider(narrowing)
        yield PlanChange(klass, (title,), json_pointer((*prefix, *narrowing.path)), text)


def _joined(found: list[PlanChange]) -> list[PlanChange]:
    """The same change of several rules once, by class, then as found."""
    rules: dict[tuple[Class, str, str], list[str]] = {}
    for change in found:
        listed = rules.setdefault((change.klass, change.path, change.message), [])
        listed += [title for title in change.rules if title not in listed]
    changes = [PlanChange(klass, tuple(titles), path, message) for (klass, path, message), titles in rules.items()]
    return sorted(changes, key=lambda change: CLASSES.index(change.klass))
