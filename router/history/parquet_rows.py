"""Parquet, as this router's archive writes it: the column `json` has an event a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from router.destinations import parquet
from router.history.ndjson_rows import rows_of_value
from router.history.opening import unreadable
from router.history.rows import FileRow, HistoryFile


def parquet_rows(stream: IO[bytes], file: HistoryFile) -> Iterator[FileRow]:
    """Each event with the number of its row. Other columns are not read: they repeat what is in the event."""
    number = 0
    try:
        for number, value in enumerate(parquet.values(stream), 1):
            yield from rows_of_value(number, value)
    except parquet.NotAnArchive as error:
        raise unreadable(file.path, str(error)) from error
    except ImportError as error:
        raise unreadable(file.path, "expected pip install 'event-router[parquet]' to read it, got none") from error
    if not number:
        raise unreadable(file.path, "expected events, got an empty file")
