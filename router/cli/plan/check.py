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
from router.cli.report import counted
from router.errors import Problem


def command(
    plan: PlanFolder,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Events: one, a JSON list, or one per line; - for standard input."),
    ],
    form: Format = "text",
    as_json: Json = False,
) -> None:
    """Validate events against a plan, with every violation blocking. Exit status 1 if any event is not allowed."""
    from router.plan import compile_plan, load_plan

    check, shown = StrictCheck(compile_plan(load_plan(plan))), report.current()
    items = [(path, item) for path in files for item in read_items(path)]
    blocked = 0
    found: list[Diagnostic] = []
    for path, item in items:
        answer = check.answer(item)
        blocked += answer["outcome"] != "allowed"
        found += [_finding(path, item, violation) for violation in answer["violations"]]
        if shown.plain:
            lines = [orjson.dumps(answer).decode()] if shown.as_json else check.told(path, item, answer)
            typer.echo("\n".join(lines))
    if not shown.plain:
        shown.show(found)
    elif not shown.as_json:
        typer.echo(f"{counted(len(items), 'event')}: {len(items) - blocked} allowed, {blocked} blocked")
    if blocked:
        raise typer.Exit(1)


def _finding(path: Path, item: EventLine, violation: dict[str, Any]) -> Diagnostic:
    return Diagnostic(Problem(str(path), item.line, 0, violation["path"], violation["message"]), rule=violation["type"])


class StrictCheck:
    """The answers to events, under strict enforcement."""

    def __init__(self, compiled: Any) -> None:
        from router.agents.verdict import Enforcement
        from router.config.models import Enforce

        strict = Enforce(unplanned_event="block", unplanned_property="block", violation="block", common="block")
        self.compiled = compiled
        self.rules = Enforcement(compiled, strict)

    def answer(self, item: EventLine) -> dict[str, Any]:
        """One line's object: messageId, event, outcome, violations."""
        from router.plan_tools.explain import hint

        if item.problem:
            return _line(item, [{"type": "Invalid", "path": item.path, "message": item.problem}])
        verdict = self.rules.check(item.body)
        violations = []
        for each in verdict.violations if verdict else ():
            meant = hint(self.compiled, item.body, each)
            message = each.message + (f" (did you mean {meant}?)" if meant else "")
            violations.append({"type": each.type, "path": each.pointer, "message": message})
        return _line(item, violations)

    def told(self, path: Path, item: EventLine, answer: dict[str, Any]) -> Iterator[str]:
        """The same in words, with advice."""
        from router.plan_tools.explain import advice

        name = answer["event"] or item.body.get("type") or "no event"
        yield f"{path}:{item.line}: {name}: {answer['outcome']}"
        verdict = self.rules.check(item.body) if not item.problem else None
        hints = [advice(self.compiled, item.body, each) for each in verdict.violations] if verdict else [""]
        for violation, text in zip(answer["violations"], hints, strict=False):
            yield f"  {violation['path'] or '(root)'}: {violation['message']}" + (f"; {text}" if text else "")


def _line(item: EventLine, violations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "messageId": item.body.get("messageId"),
        "event": item.name,
        "outcome": "blocked" if violations else "allowed",
        "violations": violations,
    }
