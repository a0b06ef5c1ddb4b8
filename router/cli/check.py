"""`router check`: everything that is wrong in topology files, test files and plan folders, at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli import report
from router.cli.findings import Diagnostic
from router.cli.options import EnvFile, Format, Json
from router.errors import Problem, UsageError

if TYPE_CHECKING:
    from router.cli.check_diff import TopologyDifference
    from router.cli.check_files import FileCheck


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Topology files, test files, plan folders, or folders that contain them at any depth. A topology file "
            "without a name overrides the one before it.",
        ),
    ],
    no_env: Annotated[
        bool, typer.Option("--no-env", help="Use placeholders for environment variables and secrets files.")
    ] = False,
    diff: Annotated[
        bool,
        typer.Option(
            "--diff",
            help="Show which changes since a git revision running processes would apply, and which need a restart. "
            "Default: HEAD; else the last argument, if it is not a file.",
        ),
    ] = False,
    env_file: EnvFile = None,
    form: Format = "text",
    as_json: Json = False,
) -> None:
    """Check files and report every problem. Warnings do not change the exit status."""
    from router.cli.check_files import FileCheck
    from router.config.environment import environment

    files, revision = _with_revision(files) if diff else (files, "")
    check = FileCheck(None if no_env else environment(env_file))
    for path in files:
        check.add(path)
    check.run()
    errors, warnings = _sorted(check.errors), _sorted(check.warnings)
    differences = _differences(check, revision) if diff and not errors else []
    shown = report.current()
    if shown.as_json:
        objects = {"errors": [p.as_dict() for p in errors], "warnings": [p.as_dict() for p in warnings]}
        told = {"differences": [each.as_dict() for each in differences]} if diff else {}
        shown.answer(objects | {"fine": check.fine} | told)
    else:
        changed = [problem for each in differences for problem in each.problems]
        shown.show([*(Diagnostic(one, "warning") for one in (*warnings, *changed)), *map(Diagnostic, errors)])
        if shown.plain:
            _print(len(errors), check.fine, differences)
    if errors:
        raise typer.Exit(1)


def _with_revision(files: list[Path]) -> tuple[list[Path], str]:
    """The files, and the revision that the last argument names where it is no file."""
    if files[-1].exists():
        return files, "HEAD"
    if len(files) == 1:
        raise UsageError(f"expected a file, got {files[-1]}, which is none")
    return files[:-1], str(files[-1])


def _differences(check: FileCheck, revision: str) -> list[TopologyDifference]:
    from router.cli.check_diff import difference

    return [difference(group, revision) for group in check.groups()]


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line, p.column))


def _print(errors: int, fine: list[str], differences: list[TopologyDifference]) -> None:
    if errors:
        typer.echo(report.counted(errors, "problem"))
    for line in (*fine, *(line for each in differences for line in each.lines())):
        typer.echo(line)
