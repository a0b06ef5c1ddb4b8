"""Changes as text for a terminal, and as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from router.plan_tools.diff.change import CLASSES, PlanChange
from router.plan_tools.exporters.markdown import code, escape

_SHOWN = 5
_TITLES = {
    "breaking": "Breaking: events that passed may fail",
    "risky": "Risky: consumers may meet what they did not know",
    "safe": "Safe",
}


def summary(changes: Sequence[PlanChange]) -> str:
    """`2 breaking, 1 risky, 3 safe`."""
    counts = {klass: sum(change.klass == klass for change in changes) for klass in CLASSES}
    return ", ".join(f"{count} {klass}" for klass, count in counts.items()) if changes else "no changes"


def text(changes: Sequence[PlanChange]) -> Iterator[str]:
    """One line a change."""
    for change in changes:
        where = _rules(change) + (f" {change.path}" if change.path else "")
        yield f"{change.klass:9}{where}: {change.message}"
    yield summary(changes)


def markdown(changes: Sequence[PlanChange], name: str) -> Iterator[str]:
    """A comment for a pull request."""
    yield f"### Tracking plan {escape(name)}: {summary(changes)}"
    for klass in CLASSES:
        own = [change for change in changes if change.klass == klass]
        if own:
            rows = [f"| {escape(_rules(change))} | {code(change.path)} | {escape(change.message)} |" for change in own]
            table = ["| Event | Place | Change |", "| --- | --- | --- |", *rows]
            folded = klass == "safe" and len(own) > _SHOWN
            yield from (
                "",
                f"<details><summary>{_TITLES[klass]} ({len(own)})</summary>" if folded else f"**{_TITLES[klass]}**",
            )
            yield from ("", *table, *(("", "</details>") if folded else ()))


def _rules(change: PlanChange) -> str:
    """The events a change is about."""
    if not change.rules:
        return "plan"
    more = f" and {len(change.rules) - _SHOWN} more" if len(change.rules) > _SHOWN else ""
    return ", ".join(change.rules[:_SHOWN]) + more
