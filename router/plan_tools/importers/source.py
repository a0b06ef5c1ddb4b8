"""Files to import, read by what they contain: JSON, YAML with positions, or the rows of a table."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from router.document import Document, parse
from router.errors import FileError, Problem
from router.plan_tools.importers.sheet_columns import find_header

MAX_BYTES = 64 * 1024 * 1024
MAX_LEVELS = 64
_SUFFIXES = (".json", ".yaml", ".yml", ".csv", ".tsv")
_DELIMITERS = ",;\t|"
_NAMED_DELIMITER = re.compile(r"sep=([,;\t|])\r?\n")
_SAMPLE = 65_536
_LONGEST_CELL = 131_072  # characters
_END = "\0"

Rows = list[list[str]]


@dataclass(frozen=True)
class Source:
    """One file: `data` is plain JSON data, or `rows` hold a table. YAML keeps its `document` for positions."""

    path: Path
    form: Literal["json", "yaml", "table"]
    data: Any = None
    rows: Rows | None = None
    document: Document | None = None

    def problem(self, message: str, hint: str = "") -> Problem:
        return Problem(str(self.path), 0, 0, "", message, hint)


def read_sources(paths: Iterable[Path]) -> list[Source]:
    """The files, folders searched for files of known kinds. Raises FileError with all problems of all files."""
    sources: list[Source] = []
    problems: list[Problem] = []
    for path in paths:
        for file in _files(path, problems):
            try:
                sources.append(_read(file))
            except FileError as error:
                problems.extend(error.problems)
    if problems:
        raise FileError(problems)
    return sources


def _files(path: Path, problems: list[Problem]) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    visible = [file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    if not visible:
        problems.append(Problem(str(path), 0, 0, "", "expected files to import (JSON, YAML or CSV) in it, got none"))
    return visible


def _read(path: Path) -> Source:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refused(path, f"expected a readable file, got {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise _refused(path, f"expected at most {MAX_BYTES} bytes, got more")
    if raw.startswith(b"PK\x03\x04"):
        raise _refused(path, "expected JSON, YAML or CSV, got a workbook or archive: save the sheet as CSV")
    text = _text(path, raw)
    suffix = path.suffix.lower()
    if suffix == ".json" or (text.lstrip()[:1] in ("{", "[") and suffix not in (".yaml", ".yml")):
        return _json(path, text)
    if suffix in (".yaml", ".yml"):
        document = parse(text.encode(), str(path))
        return Source(path, "yaml", document.data, document=document)
    return Source(path, "table", rows=_table(path, text))


def _refused(path: Path, message: str) -> FileError:
    return FileError([Problem(str(path), 0, 0, "", message)])


def _text(path: Path, raw: bytes) -> str:
    """UTF-8; UTF-16 where a byte order mark says so, as spreadsheets write it."""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _refused(path, f"expected UTF-8 text, got byte {error.start} that is not") from error


def _json(path: Path, text: str) -> Source:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        problem = Problem(str(path), error.lineno, error.colno, "", f"expected JSON, got an error: {error.msg}")
        raise FileError([problem]) from error
    if _levels(data) > MAX_LEVELS:
        raise _refused(path, f"expected at most {MAX_LEVELS} levels, got more")
    return Source(path, "json", data)


def _levels(data: Any) -> int:
    """Levels of nesting, without recursion."""
    level, values = 0, [data]
    while values and level <= MAX_LEVELS:
        level += 1
        below: list[Any] = []
        for value in values:
            below += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        values = below
    return level


def _table(path: Path, text: str) -> Rows:
    """The cells of a table, read by the delimiter under which its headings are found and its rows are of one width."""
    if "\0" in text:
        raise _refused(path, "expected a table as text (CSV), got binary data")
    named = _NAMED_DELIMITER.match(text)
    if named:  # as Excel writes it
        return _rows(path, text[named.end() :], named[1])
    sample = text[:_SAMPLE]
    sample = sample if len(text) <= _SAMPLE else sample[: sample.rfind("\n") + 1]
    delimiter = max(_DELIMITERS, key=lambda sign: _fitness(list(_cells(sample, sign))))
    return _rows(path, text, delimiter)


def _fitness(rows: Rows) -> tuple[bool, float, int]:
    """How well rows look like a table: known headings, then the share of rows that are of one width, then that."""
    widths = Counter(len(row) for row in rows if any(row))
    width, count = max(widths.items(), key=lambda each: (each[0] > 1, each[1]), default=(0, 0))
    return find_header(rows) is not None, count / max(widths.total(), 1) if width > 1 else 0.0, width


def _cells(text: str, delimiter: str) -> Iterator[list[str]]:
    """Rows as far as they can be read. Spaces before a quote are no part of the cell."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    with suppress(csv.Error):  # the delimiter may be the wrong one; the one that is chosen is read again
        for row in reader:
            yield [cell.strip() for cell in row]


def _rows(path: Path, text: str, delimiter: str) -> Rows:
    """All rows. Raises FileError where a quote is never closed, which would take in the rest of the table."""
    csv.field_size_limit(_LONGEST_CELL)  # of the whole process: another reader may have left its own
    lines = io.StringIO(f"{text}\n{_END}", newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    rows: Rows = []
    begins = 1
    try:
        for row in reader:
            if any(_END in cell for cell in row):
                if row != [_END]:
                    raise _refused(path, f"expected a quote to be closed, got one that is open from line {begins} on")
                break
            rows.append([cell.strip() for cell in row])
            begins = reader.line_num + 1
    except csv.Error as error:
        message = f"expected a table as text (CSV), got an error in line {reader.line_num}: {error}"
        raise _refused(path, message) from error
    return rows
