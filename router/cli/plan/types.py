"""`router plan types`: a typed client, so that the compiler refuses what the plan would."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from router.cli.options import PlanFolder


def command(
    plan: PlanFolder,
    language: Annotated[Literal["python", "typescript"], typer.Option("--lang", help="The language to write.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File to write; default: standard output.")
    ] = None,
) -> None:
    """Write a typed client of a plan."""
    from router.cli.plan.export import write
    from router.plan import load_plan
    from router.plan_tools.clients import LANGUAGES, build

    write(LANGUAGES[language](build(load_plan(plan))), out)
