"""What `router import` says at the end, and its report of bad rows: by file and line, without their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson
import typer

from router.cli import report
from router.cli.report import counted
from router.errors import FileError, Problem
from router.history.history_import import BadRow

_SHOWN = 1000


@dataclass(frozen=True)
class ImportedFile:
    """What became of one file: of this run, and the state that is kept."""

    file: str
    read: int
    sent: int
    bad: int
    status: str
    kinds: Counter[str]
    note: str = ""


class BadRows:
    """A context. Rows go to a file, appended as JSON lines, or to stderr up to a number."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stream: IO[bytes] | None = None
        self.count = 0
        self.found: list[Problem] = []

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._stream = self._path.open("ab")
            except OSError as error:
                what = f"expected a file that can be written, got {error.strerror}"
                raise FileError([Problem(str(self._path), 0, 0, "", what)]) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, file: str, rows: Sequence[BadRow]) -> None:
        """Returns once they are written."""
        for row in rows:
            self.count += 1
            if self._stream is not None:
                self._stream.write(orjson.dumps({"file": file, "line": row.line, "reason": row.reason}) + b"\n")
            elif self.count <= _SHOWN:
                self.found.append(_problem(file, row))
                if not report.current().as_json:
                    typer.echo(str(self.found[-1]), err=True)
            elif self.count == _SHOWN + 1:
                typer.echo(f"more than {_SHOWN} bad rows: --report FILE has them all", err=True)
        if self._stream is not None:
            self._stream.flush()


def _problem(file: str, row: BadRow) -> Problem:
    path, separator, message = row.reason.partition(": ")
    if not separator or " " in path:
        path, message = "", row.reason
    return Problem(file, row.line, 1, path, message)


def answer(found: Sequence[ImportedFile], bad: BadRows, topic: str, *, dry_run: bool, as_json: bool) -> None:
    """Prints it; ends with status 1 where rows were bad."""
    if as_json:
        report.current().answer(_as_dict(found, bad, topic, dry_run=dry_run))
    else:
        for one in found:
            typer.echo(_line(one, topic, dry_run=dry_run))
            if dry_run:
                for kind, count in one.kinds.most_common(20):
                    typer.echo(f"  {count} {kind}")
    if bad.count:
        raise typer.Exit(1)


def _line(one: ImportedFile, topic: str, *, dry_run: bool) -> str:
    if one.note:
        return f"{one.file}: {one.note}"
    verb = "would be sent" if dry_run else "sent"
    worse = f", {counted(one.bad, 'bad row')}" if one.bad else ""
    return f"{one.file}: {counted(one.sent, 'event')} {verb} to {topic}{worse}"


def _as_dict(found: Sequence[ImportedFile], bad: BadRows, topic: str, *, dry_run: bool) -> dict[str, Any]:
    files = [
        {"file": one.file, "read": one.read, "sent": one.sent, "bad": one.bad, "status": one.status, "note": one.note}
        | ({"by_event": dict(one.kinds.most_common())} if dry_run else {})
        for one in found
    ]
    return {"topic": topic, "dry_run": dry_run, "files": files, "errors": [row.as_dict() for row in bad.found]}
