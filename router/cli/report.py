"""How a command tells what is wrong: text on stderr, or with `--json` objects on stdout.

A command that is run to find problems has the option `--format` and shows them on stdout.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import typer

from router.cli.findings import Diagnostic, DiagnosticFormat, errors, rendered
from router.errors import FileError, Problem, RouterError


@dataclass
class Reporter:
    """One per command line. `as_json` is set by the option `--json`, `form` by `--format`: None for commands whose
    purpose is not to find problems.
    """

    as_json: bool = False
    form: DiagnosticFormat | None = None

    def error(self, error: RouterError) -> None:
        if self.as_json:
            self.answer({"errors": _objects(error), "warnings": []})
        elif self.form and isinstance(error, FileError):
            self.show(errors(error.problems))
        else:
            typer.echo(str(error) if isinstance(error, FileError) else f"Error: {error}", err=True)

    def show(self, found: Iterable[Diagnostic]) -> None:
        """What the command was to find, in the format that was asked for."""
        for line in rendered(found, self.form or "text"):
            typer.echo(line)

    @property
    def plain(self) -> bool:
        """Whether people read it: other formats take nothing but findings."""
        return self.form not in ("github", "sarif")

    def warn(self, problems: Iterable[Problem]) -> None:
        """Warnings never change the exit status."""
        for problem in problems:
            typer.echo(f"warning: {problem}", err=True)

    def answer(self, value: Any) -> None:
        """One JSON document on stdout."""
        typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _objects(error: RouterError) -> list[dict[str, object]]:
    if isinstance(error, FileError):
        return [problem.as_dict() for problem in error.problems]
    return [{"message": str(error)}]


_CURRENT: ContextVar[Reporter] = ContextVar("report")


def start() -> None:
    """A fresh report for one command line."""
    _CURRENT.set(Reporter())


def current() -> Reporter:
    """The report of the command line that runs now."""
    return _CURRENT.get()


def counted(count: int, noun: str) -> str:
    """`1 event`, `2 events`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
