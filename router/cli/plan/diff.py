"""`router plan diff`: what changed between two states of a plan, for people and for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from router.cli import report

if TYPE_CHECKING:
    from router.plan import Plan

_STATE = "A plan's folder, REV:FOLDER of this git repository, or REV with --plan FOLDER."


def command(
    old: Annotated[str, typer.Argument(metavar="OLD", help=_STATE)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same.")],
    plan: Annotated[str, typer.Option("--plan", metavar="FOLDER", help="The plan's folder in both revisions.")] = "",
    form: Annotated[Literal["text", "json", "markdown"], typer.Option("--format", help="Output format.")] = "text",
    allow: Annotated[
        Literal["safe", "risky", "breaking"],
        typer.Option("--allow", help="Worst class of change to accept; a worse one gives exit status 1."),
    ] = "risky",
) -> None:
    """Compare two states of a tracking plan; breaking changes give exit status 1 unless they are allowed."""
    from router.plan_tools.diff import CLASSES, diff
    from router.plan_tools.diff.report import markdown, summary, text

    before, after = _state(old, plan), _state(new, plan)
    changes = diff(before, after)
    if form == "json":
        answer: dict[str, object] = {"plan": after.name}
        answer |= {klass: sum(change.klass == klass for change in changes) for klass in CLASSES}
        report.current().answer(answer | {"changes": [change.as_dict() for change in changes]})
    else:
        typer.echo("\n".join(markdown(changes, after.name) if form == "markdown" else text(changes)))
    worse = [change for change in changes if CLASSES.index(change.klass) < CLASSES.index(allow)]
    if worse:
        if form == "markdown":
            typer.echo(summary(changes), err=True)
        raise typer.Exit(1)


def _state(given: str, folder: str) -> Plan:
    """The plan that an argument names. Raises FileError, UsageError or RouterError."""
    from router.errors import Problem, UsageError
    from router.plan import Plan, load_plan
    from router.plan_tools.diff.revision import plan_at

    if Path(given).is_dir() and not (folder and _is_revision_of(given, folder)):
        return load_plan(Path(given))
    revision, colon, path = given.partition(":")
    if not colon and not folder:
        raise UsageError(f"expected a plan's folder, REV:FOLDER, or REV with --plan FOLDER, got {given}")
    found = plan_at(revision, path if colon else folder, Path())
    if found is None:
        expected = "expected a tracking plan at this revision, got none: compared with an empty one"
        report.current().warn([Problem(f"{revision}:{path or folder}", 0, 0, "", expected)])
        return Plan(Path(path or folder).resolve().name)
    return found


def _is_revision_of(given: str, folder: str) -> bool:
    """With --plan, a name that is both a folder without a plan and a revision means the revision."""
    from router.plan.load import collect

    return Path(given) != Path(folder) and not collect(Path(given))[0]
