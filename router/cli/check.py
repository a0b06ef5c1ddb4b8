"""`router check`: everything that is wrong in topology files, test files and plan folders, at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from router.cli import report
from router.cli.options import EnvFile, Json
from router.errors import Problem


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="Topology files, test files, plan folders, or folders of them. A topology file without a name "
            "overrides the one before it.",
        ),
    ],
    no_env: Annotated[bool, typer.Option("--no-env", help="Use placeholders for what the environment says.")] = False,
    env_file: EnvFile = None,
    as_json: Json = False,
) -> None:
    """Check files and report all problems. Warnings do not change the exit status."""
    from router.cli.check_files import Check
    from router.config.environment import environment

    check = Check(None if no_env else environment(env_file))
    for path in files:
        check.add(path)
    check.run()
    errors, warnings = _sorted(check.errors), _sorted(check.warnings)
    if as_json:
        objects = {"errors": [p.as_dict() for p in errors], "warnings": [p.as_dict() for p in warnings]}
        report.current().answer(objects | {"fine": check.fine})
    else:
        report.current().warn(warnings)
        _print(errors, check.fine)
    if errors:
        raise typer.Exit(1)


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line, p.column))


def _print(errors: list[Problem], fine: list[str]) -> None:
    for problem in errors:
        typer.echo(str(problem), err=True)
    if errors:
        typer.echo("1 problem" if len(errors) == 1 else f"{len(errors)} problems", err=True)
    for line in fine:
        typer.echo(line)
