"""What people look at before anything is sent: the mapping file that was guessed, and ten rows as events."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import orjson
import typer

from router.cli.history.plan import ImportPlan
from router.errors import FileError, Problem, UsageError
from router.history import guess
from router.history.formats import READERS, files_of, format_of
from router.history.map_file import load_map
from router.history.opening import opened, unreadable
from router.history.remote_file import HistoryPlace
from router.history.row_events import RowEvents
from router.history.rows import FileRow, HistoryFile

SHOWN = 10


def make_map(files: Sequence[HistoryPlace], form: str, map_file: Path | None) -> None:
    """Write a mapping file for the first file, and show what it makes of ten rows. Raises UsageError, FileError."""
    file = next(iter(files_of(files)))
    rows = _first_rows(file, form, guess.SAMPLE)
    values = [row.value for row in rows if not row.problem]
    if not values:
        raise unreadable(file.path, f"expected a row that can be read, got {rows[0].problem}", rows[0].line)
    columns = [*file.columns] or list(dict.fromkeys(name for value in values for name in value))
    made = guess.guess(columns, values)
    target = map_file or file.path.with_name(file.path.name.split(".", 1)[0] + ".map.yaml")
    try:
        with target.open("x") as stream:
            stream.write(guess.written(made, file.path.name))
    except FileExistsError:
        raise UsageError(f"expected a file that is not there yet, got {target}: --map FILE names another") from None
    except OSError as error:
        what = f"expected a file that can be written, got {error.strerror}"
        raise FileError([Problem(str(target), 0, 0, "", what)]) from error
    typer.echo(guess.written(made, file.path.name))
    _, mapping = load_map(target)
    _show(rows, RowEvents("", mapping))
    if "userId" not in made and "anonymousId" not in made:
        typer.echo(f"note: no column looks like an id: add `userId: COLUMN` to {target}", err=True)
    typer.echo(f"{target} is written, nothing is sent. Look at it, then: router import {file.name} --map {target} …")


def show_events(plan: ImportPlan, files: Sequence[HistoryPlace]) -> None:
    """The first rows of the first file as they would be sent."""
    file = next(iter(files_of(files)))
    _show(_first_rows(file, plan.form, SHOWN), plan.events(""))


def _first_rows(file: HistoryFile, form: str, count: int) -> list[FileRow]:
    kind = format_of(file.path, form)
    with opened(file.path, kind) as stream:
        rows = list(islice(READERS[kind](stream, file), count))
    if not rows:
        raise unreadable(file.path, "expected rows below the header, got none")
    return rows


def _show(rows: Sequence[FileRow], events: RowEvents) -> None:
    for number, row in enumerate(rows[:SHOWN], 1):
        made = row.problem or events.event(number, row.value)
        shown = made if isinstance(made, str) else orjson.dumps(_without_id(made)).decode()
        typer.echo(f"line {row.line}: {shown}")


def _without_id(event: dict[str, object]) -> dict[str, object]:
    """What the import gives it depends on the whole file."""
    made = str(event.get("messageId", "")).startswith("import-")
    return {name: value for name, value in event.items() if not (made and name == "messageId")}
