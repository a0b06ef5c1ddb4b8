"""NDJSON: an event or any other object a line; a Segment batch body on a line is each of its events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from router.events.event import REASONS, Invalid
from router.events.parser import Repairs
from router.events.reader import merged, read
from router.history.opening import encoding_of, unreadable
from router.history.rows import FileRow, HistoryFile


def ndjson_rows(stream: IO[bytes], file: HistoryFile) -> Iterator[FileRow]:
    """Each object with its line."""
    encoding = encoding_of(stream)
    if encoding != "utf-8":
        raise unreadable(file.path, f"expected NDJSON in UTF-8, got {encoding}: convert it first (iconv)")
    empty = True
    for number, line in enumerate(stream, 1):
        if line.isspace():
            continue
        empty = False
        yield from rows_of_value(number, line)
    if empty:
        raise unreadable(file.path, "expected objects, one a line, got an empty file")


def rows_of_value(number: int, value: bytes) -> Iterator[FileRow]:
    """The objects of one line or cell."""
    for item in read(value, Repairs()):
        found = merged(item.value, item.envelope)
        if isinstance(found, Invalid):
            yield FileRow(number, {}, f"expected an object, got none: {REASONS[found.reason]}")
        elif type(found) is not dict:
            yield FileRow(number, {}, "expected an object, got another JSON value")
        else:
            yield FileRow(number, found)
