"""`router plan import`: a plan's folder from what another system exports, or from a spreadsheet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from router.cli import report
from router.cli.options import Json
from router.cli.report import counted
from router.errors import FileError


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Segment JSON (Config API, typewriter, Public API plan and rules, Terraform), RudderStack JSON or its "
            "YAML project's folder, or sheets saved as CSV. Several files are combined into one plan.",
        ),
    ],
    to: Annotated[Path, typer.Option("--to", metavar="PLAN", help="The folder to write.")],
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan", metavar="NAME", help="Which plan, where the files hold several: its name, id or address."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing plan.")] = False,
    as_json: Json = False,
) -> None:
    """Import a tracking plan. Whatever cannot be carried over unchanged is reported as a warning.

    Exit status 1 where the plan refuses an example of its source, or an event with all required properties; the plan is
    written all the same, to be corrected.
    """
    from router.plan_tools.importers import import_plan
    from router.plan_tools.store import store

    imported = import_plan(files, plan)
    written = store(imported.plan, to, force=force)
    shown = report.current()
    if as_json:
        warnings, errors = ([each.as_dict() for each in found] for found in (imported.warnings, imported.refused))
        answer = {"plan": str(to), "format": imported.format.name, "rules": len(imported.plan.rules)}
        shown.answer(answer | {"files": len(written), "errors": errors, "warnings": warnings})
    else:
        shown.warn(imported.warnings)
        if imported.refused:
            shown.error(FileError(imported.refused))
        counts = f"{len(imported.plan.rules)} rules in {len(written)} files, {len(imported.warnings)} warnings"
        refused = f", refuses what it should allow in {counted(len(imported.refused), 'place')}"
        typer.echo(f"{to}: {counts}, from {imported.format.title}{refused if imported.refused else ''}")
    if imported.refused:
        raise typer.Exit(1)
