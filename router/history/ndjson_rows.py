"""NDJSON: an event or any other object a line; a Segment batch body on a line is each of its events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import orjson

from router.events.event import REASONS, Invalid
from router.events.parser import Repairs, has_long_digits
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
        value = _alone(line)
        if value is not None:
            yield FileRow(number, value)
        elif line.isspace():
            continue
        else:
            yield from rows_of_value(number, line)
        empty = False
    if empty:
        raise unreadable(file.path, "expected objects, one a line, got an empty file")


def _alone(line: bytes) -> dict[str, Any] | None:
    """The object of a line that is one and no more, as most are; None where the reader is to look closer."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if type(value) is dict and "batch" not in value and not has_long_digits(line) else None


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
