"""`router plan check`: holds events from files against a plan and says in words what to change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from router.cli import report
from router.cli.findings import Diagnostic
from router.cli.options import Format, Json, PlanFolder
from router.cli.plan.events import EventLine, read_items
from router.cli.plan.shown import mask_of, summary, value_at
from router.cli.report import counted
from router.errors import Problem
from router.events.event import REASONS
from router.mask import Mask


def command(
    plan: PlanFolder,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Events: one, a JSON list, or one per line; - for standard input."),
    ],
    topology: Annotated[
        list[Path],
        typer.Option(
            "--topology",
            metavar="TOPOLOGY",
            help="Topology file whose `mask` hides values, repeatable; default: all in topologies/.",
        ),
    ] = [],  # noqa: B006  typer copies it
    form: Format = "text",
    as_json: Json = False,
) -> None:
    """Validate events against a plan, with every violation blocking. Exit status 1 if any event is not allowed.

    Shows offending values, what the gateway would refuse whatever the plan says, and sums by event.
    """
    from router.plan import compile_plan, load_plan

    check, shown = StrictCheck(compile_plan(load_plan(plan)), mask_of(topology)), report.current()
    items = [(path, item) for path in files for item in read_items(path)]
    answers: list[dict[str, Any]] = []
    found: list[Diagnostic] = []
    for path, item in items:
        answer = check.answer(item)
        answers.append(answer)
        found += [_finding(path, item, violation) for violation in answer["violations"]]
        found += _refusal(path, item)
        if shown.plain:
            lines = [orjson.dumps(answer).decode()] if shown.as_json else check.told(path, item, answer)
            typer.echo("\n".join(lines))
    blocked = sum(answer["outcome"] != "allowed" for answer in answers)
    if not shown.plain:
        shown.show(found)
    elif not shown.as_json:
        refused = sum(bool(answer["refused"]) for answer in answers)
        if len(answers) > 1:
            typer.echo("\n".join(["by event:", *summary(answers)]))
        more = f", {refused} refused by the gateway" if refused else ""
        typer.echo(f"{counted(len(items), 'event')}: {len(items) - blocked} allowed, {blocked} blocked{more}")
    if blocked:
        raise typer.Exit(1)


def _refusal(path: Path, item: EventLine) -> list[Diagnostic]:
    """What the gateway speaks against, where that is not a finding already."""
    if not item.refused or item.problem:
        return []
    message = f"the gateway would refuse it: {REASONS[item.refused]}"
    return [Diagnostic(Problem(str(path), item.line, 0, "", message), "warning", item.refused)]


def _finding(path: Path, item: EventLine, violation: dict[str, Any]) -> Diagnostic:
    return Diagnostic(Problem(str(path), item.line, 0, violation["path"], violation["message"]), rule=violation["type"])


class StrictCheck:
    """The answers to events, under strict enforcement."""

    def __init__(self, compiled: Any, mask: Mask) -> None:
        from router.agents.verdict import Enforcement
        from router.config.models import Enforce

        strict = Enforce(unplanned_event="block", unplanned_property="block", violation="block", common="block")
        self.compiled = compiled
        self.mask = mask
        self.rules = Enforcement(compiled, strict)

    def answer(self, item: EventLine) -> dict[str, Any]:
        """One line's object: messageId, type, event, outcome, violations with values, refused."""
        from router.plan_tools.explain import hint

        if item.problem:
            return _line(item, [self._violation(item, "Invalid", item.path, item.problem)])
        verdict = self.rules.check(item.body)
        violations = []
        for each in verdict.violations if verdict else ():
            meant = hint(self.compiled, item.body, each)
            message = each.message + (f" (did you mean {meant}?)" if meant else "")
            violations.append(self._violation(item, each.type, each.pointer, message))
        return _line(item, violations)

    def _violation(self, item: EventLine, type_: str, path: str, message: str) -> dict[str, Any]:
        value = value_at(item.body, path, self.mask)
        return {"type": type_, "path": path, "message": message} | ({"value": value} if value else {})

    def told(self, path: Path, item: EventLine, answer: dict[str, Any]) -> Iterator[str]:
        """The same in words, with advice."""
        from router.plan_tools.explain import advice

        name = answer["event"] or item.body.get("type") or "no event"
        but = f"; the gateway would refuse it: {REASONS[item.refused]} [{item.refused}]" if item.refused else ""
        yield f"{path}:{item.line}: {name}: {answer['outcome']}{but}"
        verdict = self.rules.check(item.body) if not item.problem else None
        hints = [advice(self.compiled, item.body, each) for each in verdict.violations] if verdict else [""]
        for violation, text in zip(answer["violations"], hints, strict=False):
            value = f" = {violation['value']}" if "value" in violation else ""
            advised = f"; {text}" if text else ""
            yield f"  {violation['path'] or '(root)'}{value}: {violation['message']}{advised}"


def _line(item: EventLine, violations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "messageId": item.body.get("messageId"),
        "type": item.body.get("type"),
        "event": item.name,
        "outcome": "blocked" if violations else "allowed",
        "violations": violations,
        "refused": item.refused or None,
    }
