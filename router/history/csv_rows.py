"""CSV with a header: `,`, `;`, tab or `|` between cells, quotes across lines, UTF-8 or UTF-16 with or without a mark.

An empty cell is no value. A row with more or fewer cells than the header, or with a quote that is not closed, is bad;
the rows after it are read.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import IO, Any

from router.history.opening import encoding_of, unreadable
from router.history.rows import FileRow, HistoryFile

DELIMITERS = ",;\t|"
_LONGEST_CELL = 1 << 20  # characters: no event may be so large; a quote that is never closed ends there


def csv_rows(stream: IO[bytes], file: HistoryFile) -> Iterator[FileRow]:
    """Each row as an object of its texts, by the names in the header."""
    encoding = encoding_of(stream)
    text = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")
    first, before = text.readline(), 0
    while first and not first.strip():
        first, before = text.readline(), before + 1
    if not first:
        raise unreadable(file.path, "expected CSV with a header, got an empty file")
    delimiter = max(DELIMITERS, key=first.count)
    csv.field_size_limit(_LONGEST_CELL)  # of the whole process
    reader = csv.reader(_lines(first, text), delimiter=delimiter, strict=True)
    try:
        header = next(reader)
    except csv.Error as error:
        raise unreadable(file.path, f"expected a header of names, got {_in_words(error)}", 1) from error
    file.columns = tuple(name.strip("\ufeff \t") for name in header)
    _check(file)
    yield from _rows(reader, file.columns, before)
    text.detach()


def _lines(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _check(file: HistoryFile) -> None:
    if any("\0" in name or "\udc80" <= char <= "\udcff" for name in file.columns for char in name):
        raise unreadable(file.path, "expected a header in UTF-8 or UTF-16, got other bytes", 1)
    twice = [name for name, count in Counter(file.columns).items() if count > 1 and name]
    if twice:
        raise unreadable(file.path, f"expected each column once, got {twice[0]} twice", 1)
    if not any(file.columns):
        raise unreadable(file.path, "expected a header of names, got empty cells", 1)


def _rows(reader: Any, columns: tuple[str, ...], before: int) -> Iterator[FileRow]:
    """`before`: blank lines above the header."""
    width, named = len(columns), all(columns)
    while True:
        line = reader.line_num + 1 + before
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield FileRow(line, {}, f"expected CSV, got {_in_words(error)}")
            continue
        if not cells:
            continue  # a blank line
        if len(cells) != width:
            yield FileRow(line, {}, f"expected {width} cells, got {len(cells)}")
            continue
        value = dict(zip(columns, cells, strict=True))
        if not all(cells):
            value = {name: cell for name, cell in value.items() if cell}
        if not named:
            value.pop("", None)
        yield FileRow(line, value, _problem(cells, columns))


def _problem(cells: list[str], columns: tuple[str, ...]) -> str:
    joined = "".join(cells)
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError:
            return "expected UTF-8, got other bytes"
    return "expected values, got the header once more" if cells[0] == columns[0] and tuple(cells) == columns else ""


def _in_words(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text or "field larger" in text:
        return "a quote that is not closed"
    return "a quote inside a cell that is not doubled" if "expected after" in text else text
