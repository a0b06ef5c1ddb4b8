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
        for item in read(line, Repairs()):
            value = merged(item.value, item.envelope)
            if isinstance(value, Invalid):
                yield FileRow(number, {}, f"expected an object, got none: {REASONS[value.reason]}")
            elif type(value) is not dict:
                yield FileRow(number, {}, "expected an object, got another JSON value")
            else:
                yield FileRow(number, value)
    if empty:
        raise unreadable(file.path, "expected objects, one a line, got an empty file")
