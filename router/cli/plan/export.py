"""`router plan export`: a plan for Segment, or as a document for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from router.cli import report
from router.cli.options import PlanFolder


def command(
    plan: PlanFolder,
    form: Annotated[
        Literal["segment", "markdown", "html"],
        typer.Option("--format", help="Segment's JSON, a Markdown document, or a web page in one file."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File to write; default: standard output.")
    ] = None,
) -> None:
    """Export a tracking plan."""
    from router.plan import load_plan
    from router.plan_tools.exporters import FORMATS

    exported = FORMATS[form](load_plan(plan))
    report.current().warn(exported.warnings)
    write(exported.text, out)


def write(text: str, out: Path | None) -> None:
    """To a file, or to the standard output. Raises UsageError where the file cannot be written."""
    from router.errors import UsageError

    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"expected a file that can be written, got {out}: {error.strerror}") from error
