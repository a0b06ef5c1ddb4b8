"""`router plan import`: a plan's folder from what another system exports, or from a spreadsheet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from router.cli import report
from router.cli.options import Json


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
    force: Annotated[bool, typer.Option("--force", help="Replace an existing plan.")] = False,
    as_json: Json = False,
) -> None:
    """Import a tracking plan. Whatever cannot be carried over unchanged is reported as a warning."""
    from router.plan_tools.importers import import_plan
    from router.plan_tools.store import store

    imported = import_plan(files)
    written = store(imported.plan, to, force=force)
    if as_json:
        warnings = [warning.as_dict() for warning in imported.warnings]
        answer = {"plan": str(to), "format": imported.format.name, "rules": len(imported.plan.rules)}
        report.current().answer(answer | {"files": len(written), "warnings": warnings})
        return
    report.current().warn(imported.warnings)
    counts = f"{len(imported.plan.rules)} rules in {len(written)} files, {len(imported.warnings)} warnings"
    typer.echo(f"{to}: {counts}, from {imported.format.title}")
