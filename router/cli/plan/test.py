"""`router plan test`: the examples in a plan's files must hold."""

from __future__ import annotations

import typer

from router.cli import report
from router.cli.options import Json, PlanFolder
from router.cli.report import counted


def command(plan: PlanFolder, as_json: Json = False) -> None:
    """Run the examples of a plan. Exit status 1 if one fails."""
    from router.plan import compile_plan, load_plan
    from router.plan_tools.examples import problems, run_examples

    compiled = compile_plan(load_plan(plan))
    results = list(run_examples(compiled))
    wrong = problems(compiled, results)
    failed = sum(1 for result in results if result.wrong)
    if as_json:
        errors = [problem.as_dict() for problem in wrong]
        report.current().answer({"examples": len(results), "failed": failed, "errors": errors})
    else:
        for problem in wrong:
            typer.echo(str(problem), err=True)
        typer.echo(f"{plan}: {counted(len(results), 'example')}, {failed} failed")
    if wrong:
        raise typer.Exit(1)
