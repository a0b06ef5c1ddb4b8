"""`router plan diff`: what changed between two states of a plan, for people and for CI."""

from __future__ import annotations

from dataclasses import dataclass
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

    before, after = _states(old, new, plan)
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


@dataclass(frozen=True)
class _PlanState:
    """What an argument names: the plan, if there is one, in a folder of the work tree or of a revision."""

    revision: str
    folder: str
    plan: Plan | None


def _states(old: str, new: str, folder: str) -> tuple[Plan, Plan]:
    """The plans that the arguments name; a plan that one revision does not have yet, or no more, is an empty one there.

    Raises FileError, UsageError, or RouterError where git refuses or a folder is one of no plan.
    """
    before, after = _state(old, folder), _state(new, folder)
    return _plan(before, after), _plan(after, before)


def _state(given: str, folder: str) -> _PlanState:
    from router.errors import FileError, RouterError, Unavailable, UsageError
    from router.plan import load_plan
    from router.plan_tools.diff.revision import plan_at

    if Path(given).is_dir() and not (folder and _is_revision_of(given, folder)):
        return _PlanState("", given, load_plan(Path(given)))
    revision, colon, path = given.partition(":")
    if not revision or not (path if colon else folder):
        raise UsageError(f"expected a plan's folder, REV:FOLDER, or REV with --plan FOLDER, got {given}")
    where = path if colon else folder
    try:
        return _PlanState(revision, where, plan_at(revision, where, Path()))
    except (FileError, Unavailable):
        raise
    except RouterError as error:
        raise RouterError(f"{given}: {error}") from error


def _plan(state: _PlanState, other: _PlanState) -> Plan:
    from router.errors import Problem, RouterError
    from router.plan import Plan
    from router.plan.load import collect

    if state.plan is not None:
        return state.plan
    known = other.plan is not None and Path(other.folder).resolve() == Path(state.folder).resolve()
    if not known and not collect(Path(state.folder))[0]:
        raise RouterError(
            f"{state.revision}:{state.folder}: expected a folder with a tracking plan, got none in {state.revision}"
        )
    expected = "expected a tracking plan at this revision, got none: compared with an empty one"
    report.current().warn([Problem(state.revision, 0, 0, state.folder, expected)])
    return Plan(Path(state.folder).resolve().name)


def _is_revision_of(given: str, folder: str) -> bool:
    """With --plan, a name that is both a folder without a plan and a revision means the revision."""
    from router.plan.load import collect

    return Path(given) != Path(folder) and not collect(Path(given))[0]
