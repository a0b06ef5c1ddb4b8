"""`router plan lint`: what is wrong with a plan's schemas, and what its names could do better."""

from __future__ import annotations

from typing import Annotated

import typer

from router.cli import report
from router.cli.findings import Diagnostic
from router.cli.options import Format, Json, PlanFolder
from router.cli.report import counted


def command(
    plan: PlanFolder,
    strict: Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Include findings of level info.")] = False,
    form: Format = "text",
    as_json: Json = False,
) -> None:
    """Check a plan's files, schemas and names. Exit status 1 where there is an error."""
    from router.plan import compile_plan, load_plan
    from router.plan_tools.lint import LintFinding, lint

    loaded = load_plan(plan)
    compile_plan(loaded).prepare()
    findings = [found for found in lint(loaded) if every or found.level != "info"]
    levels: dict[str, list[LintFinding]] = {
        level: [found for found in findings if found.level == level] for level in ("error", "warning", "info")
    }
    shown = report.current()
    if shown.as_json:
        shown.answer({f"{level}s": [found.as_dict() for found in levels[level]] for level in levels})
    else:
        shown.show(Diagnostic(found.problem, found.level, found.rule) for found in findings if found.level != "off")
        counts = (("rule", len(loaded.rules)), ("error", len(levels["error"])), ("warning", len(levels["warning"])))
        if shown.plain:
            typer.echo(f"{plan}: {', '.join(counted(count, noun) for noun, count in counts)}")
    if levels["error"] or (strict and levels["warning"]):
        raise typer.Exit(1)
