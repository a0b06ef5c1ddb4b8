"""Puts a plan that a command has made into a folder, never over another one unless asked to."""

from __future__ import annotations

from pathlib import Path

from router.errors import FileError, Problem
from router.plan.load import collect
from router.plan.model import Plan
from router.plan_tools.write import write_plan


def store(plan: Plan, folder: Path, *, force: bool = False) -> list[Path]:
    """Write a plan and give its files. Raises FileError where the folder holds a plan, unless `force`.

    With `force` the files of the plan that is there and that the new one does not have are removed; other files (a
    README) stay.
    """
    old = _files(folder)
    if old and not force:
        expected = "expected a folder without a tracking plan, got one that holds another (--force replaces it)"
        raise FileError([Problem(str(folder), 0, 0, "", expected)])
    written = write_plan(plan, folder, overwrite=force)
    for path in set(old) - set(written):
        path.unlink()
    return written


def _files(folder: Path) -> list[Path]:
    """The files of the plan in a folder, sound or not."""
    if folder.exists() and not folder.is_dir():
        raise FileError([Problem(str(folder), 0, 0, "", "expected a folder, got a file")])
    return [folder / name for name in collect(folder)[0]] if folder.is_dir() else []
