"""`router ops-files`: dashboards, alert rules, runbook and list of metrics, as this version of the router has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

import router
from router.cli import report
from router.cli.options import Json
from router.errors import FileError, Problem, UsageError

_PACKAGE = Path(router.__file__).parent
_PATTERNS = Path(__file__).with_name("operations.txt")


def operations() -> dict[str, str]:
    """Each file's text by its path: from the wheel, or from ops/ of the checkout that the package lies in."""
    wheel = _PACKAGE / "operations"
    base = wheel if wheel.is_dir() else _PACKAGE.parent / "ops"
    found = (path for pattern in _PATTERNS.read_text("utf-8").split() for path in sorted(base.glob(pattern)))
    return {str(path.relative_to(base)): path.read_text("utf-8") for path in found}


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write into; created if missing.")],
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ.")] = False,
    as_json: Json = False,
) -> None:
    """Write the files that operations needs: Prometheus rules and alerts, Grafana dashboard, runbook, metrics.

    After an upgrade run it again with --force. Files that are the same already are left alone.
    """
    files = operations()
    different = [name for name, text in files.items() if (folder / name).exists() and not _same(folder / name, text)]
    if different and not force:
        message = "expected no file, or one of the same content, got another (--force replaces it)"
        raise FileError([Problem(str(folder / name), 0, 0, "", message) for name in different])
    write(folder, files)
    if as_json:
        report.current().answer({"folder": str(folder), "files": sorted(files)})
        return
    for name in files:
        typer.echo(folder / name)


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def write(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """The paths written. Raises UsageError where the folder cannot be written."""
    paths = {folder / name: text for name, text in files.items()}
    try:
        for path, text in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"expected a folder that can be written, got {folder}: {error.strerror}") from error
    return list(paths)
