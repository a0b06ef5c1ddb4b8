"""`router plan test`: the examples in a plan's files must hold."""

from __future__ import annotations

import typer

from router.cli import report
from router.cli.findings import errors
from router.cli.options import Format, Json, PlanFolder
from router.cli.report import counted


def command(plan: PlanFolder, form: Format = "text", as_json: Json = False) -> None:
    """Run the examples of a plan. Exit status 1 if one fails."""
    from router.plan import compile_plan, load_plan
    from router.plan_tools.examples import problems, run_examples

    compiled = compile_plan(load_plan(plan))
    results = list(run_examples(compiled))
    wrong = problems(compiled, results)
    failed = sum(1 for result in results if result.wrong)
    shown = report.current()
    if shown.as_json:
        found = [problem.as_dict() for problem in wrong]
        shown.answer({"examples": len(results), "failed": failed, "errors": found})
    else:
        shown.show(errors(wrong))
        if shown.plain:
            typer.echo(f"{plan}: {counted(len(results), 'example')}, {failed} failed")
    if wrong:
        raise typer.Exit(1)
