"""`router new`: a team's own repository, with a topology and a plan that pass their tests from the start."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from router.cli import report
from router.cli.options import Json
from router.errors import FileError, Problem, UsageError

NAME = re.compile(r"[a-z][a-z0-9-]{0,47}\Z")
DEFAULT = "starter"


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write; created if missing.")],
    templates: Annotated[
        list[str],
        typer.Option(
            "--template",
            metavar="NAME",
            help="A template of the plan; repeatable, several are combined. Default: starter.",
        ),
    ] = [],  # noqa: B006  typer copies it
    name: Annotated[str, typer.Option("--name", help="Name of the topology and the plan; default: the folder's.")] = "",
    install: Annotated[
        str,
        typer.Option(
            "--install",
            metavar="URL",
            help="Where pip finds the router: a URL (git+https://…) or a wheel; default: where it came from here.",
        ),
    ] = "",
    force: Annotated[
        bool,
        typer.Option("--force", help="Write into a folder that is not empty; files of the same names are replaced."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Create a repository: topology, tracking plan, tests, CI for GitHub and GitLab, containers, alerts, README.

    `router plan new --list` shows the templates.
    """
    from router.cli.ops_files import operations, write
    from router.cli.repository import files_of, requirement
    from router.plan_tools.store import store
    from router.plan_tools.templates import compose

    chosen = templates or [DEFAULT]
    named = _name(name, folder)
    plan = compose(chosen, named)
    found = requirement.given(install) if install else requirement.installed()
    files = files_of(named, plan, found.line) | {f"ops/{path}": text for path, text in operations().items()}
    _check(folder, force=force)
    try:
        written = [*store(plan, folder / "schemas" / named, force=force), *write(folder, files)]
        written += requirement.copied(found, folder)
    except OSError as error:
        raise UsageError(f"expected a folder that can be written, got {folder}: {error.strerror}") from error
    if as_json:
        paths = sorted(str(path.relative_to(folder)) for path in written)
        report.current().answer({"repository": str(folder), "name": named, "templates": chosen, "files": paths})
        return
    typer.echo(f"{folder}: {len(written)} files, the plan's from {', '.join(chosen)}")
    typer.echo(f"Next: cd {folder}, then see README.md; router test topologies; router up topologies/{named}.yaml")
    if found.local:
        typer.echo(f"requirements.txt installs from {found.line.partition(' @ ')[2]}, which only this machine has.")
        typer.echo(f"For CI and containers: `ops/install --wheel {folder}` in that checkout, or a URL with --install.")


def _name(given: str, folder: Path) -> str:
    """The topology's name: as given, else what the folder's name comes to. Raises UsageError."""
    name = given or re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    if not NAME.match(name):
        advice = "" if given else "; give one with --name"
        got = given or folder.resolve().name or "none"
        raise UsageError(
            f"expected a name of lower-case letters, digits and hyphens that begins with a letter, got {got}{advice}"
        )
    return name


def _check(folder: Path, *, force: bool) -> None:
    """Raises FileError where the folder is a file, or holds anything but git's own folder, unless `force`."""
    if folder.exists() and not folder.is_dir():
        raise FileError([Problem(str(folder), 0, 0, "", "expected a folder, got a file")])
    inside = sorted(path.name for path in folder.iterdir() if path.name != ".git") if folder.is_dir() else []
    if inside and not force:
        got = f"one with {', '.join(inside[:3])}{' and more' if len(inside) > 3 else ''}"
        expected = f"expected an empty folder, got {got} (--force writes into it, over files of the same names)"
        raise FileError([Problem(str(folder), 0, 0, "", expected)])
