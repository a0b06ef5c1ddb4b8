"""What every reader of files gives: a row with its place, as an object or as what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple, Protocol

from router.history.remote_file import HistoryPlace


class FileRow(NamedTuple):
    """`line` counts from 1, where the row begins. Without a `problem` the value is the row as an object."""

    line: int
    value: dict[str, Any]
    problem: str = ""


@dataclass
class HistoryFile:
    """A file to be imported: `path` to read it, `name` for people; `columns` once a reader has seen a header."""

    path: HistoryPlace
    name: str
    columns: tuple[str, ...] = field(default=())


class RowReader(Protocol):
    """One format. The same bytes give the same rows in the same order: a row is known by its number."""

    def __call__(self, stream: IO[bytes], file: HistoryFile) -> Iterator[FileRow]:
        """Every row, bad ones among them. Raises FileError where the file as a whole cannot be read."""
