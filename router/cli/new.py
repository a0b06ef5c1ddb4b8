"""`router new`: a team's own repository, or a connector for it: all of it passes its tests from the start."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

from router.cli import report
from router.cli.options import Json
from router.errors import FileError, Problem, UsageError

NAME = re.compile(r"[a-z][a-z0-9-]{0,47}\Z")
DEFAULT = "starter"
Folder = Annotated[
    Path | None,
    typer.Argument(metavar="DIR", help="The folder to write; created if missing. For a connector: default, here."),
]
ConnectorName = Annotated[
    str, typer.Option("--connector", metavar="NAME", help="Write a destination type of your own, with its test.")
]


def command(
    folder: Folder = None,
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
    connector: ConnectorName = "",
    force: Annotated[
        bool,
        typer.Option("--force", help="Write into a folder that is not empty; files of the same names are replaced."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Create a repository: topology, tracking plan, tests, CI for GitHub and GitLab, containers, alerts, README.

    `router plan new --list` shows the templates. With --connector, write a connector and its test into a project.
    """
    if connector:
        _connector(connector, folder or Path(), force=force)
        return
    if folder is None:
        raise UsageError("expected the folder to write, got none")
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


def _connector(name: str, folder: Path, *, force: bool) -> None:
    """Raises UsageError for a name that makes no module, FileError for files that are there, unless `force`."""
    from router.cli.ops_files import write
    from router.cli.repository.connector import FOLDER, connector_class, connector_files

    if not NAME.match(name) or name.endswith("-") or "--" in name or keyword.iskeyword(name):
        raise UsageError(f"expected a name such as acme or acme-mail, got {name}")
    files = connector_files(name)
    package, *own = files
    if (folder / package).exists():
        del files[package]
    there = [str(folder / path) for path in own if (folder / path).exists()]
    if there and not force:
        raise FileError([Problem(path, 0, 0, "", "expected no file, got one (--force replaces it)") for path in there])
    written = write(folder, files)
    module, cls = Path(own[0]).stem, connector_class(name)
    if report.current().as_json:
        paths = sorted(str(path.relative_to(folder)) for path in written)
        report.current().answer({"connector": f"{FOLDER}.{module}:{cls}", "files": paths})
        return
    typer.echo("\n".join(map(str, written)))
    typer.echo(f"Next: python -m pytest {folder / FOLDER}; in a topology, type: {FOLDER}.{module}:{cls}")


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
