"""The formats that can be imported, one file each, and which files of a folder are of them.

Exports lie in folders: those of this router's destination `archive` (`source=web/date=2026-11-27/….ndjson.gz`) and
Segment's (`segment-logs/SOURCE-ID/DAY/….gz`) alike are gzip files of one call a line; the archive may have Parquet too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from router.errors import FileError, UsageError
from router.history.csv_rows import csv_rows
from router.history.ndjson_rows import ndjson_rows
from router.history.opening import unreadable
from router.history.parquet_rows import parquet_rows
from router.history.remote_file import HistoryPlace, RemoteFile
from router.history.rows import HistoryFile, RowReader

READERS: dict[str, RowReader] = {"csv": csv_rows, "ndjson": ndjson_rows, "parquet": parquet_rows}
_BY_SUFFIX = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson",
    ".parquet": "parquet",
}  # fmt: skip
_EXPORTED = (".ndjson", ".jsonl", ".json", ".gz", ".parquet")


def format_of(path: HistoryPlace, chosen: str = "") -> str:
    """The format that is chosen, else the one that the file's name says; of a plain `.gz` it is NDJSON.

    Raises UsageError.
    """
    if chosen:
        if chosen not in READERS:
            raise UsageError(f"--format: expected one of {', '.join(READERS)}, got {chosen}")
        return chosen
    name = path.name.lower()
    inner = Path(name.removesuffix(".gz"))
    found = _BY_SUFFIX.get(inner.suffix) or ("ndjson" if name.endswith(".gz") else "")
    if not found:
        raise UsageError(f"{path}: expected --format csv, ndjson or parquet for a file of this name, got none")
    return found


def files_of(given: Iterable[HistoryPlace]) -> Iterator[HistoryFile]:
    """The files as they are given; of a folder all exported files in it, in order of their names. Raises FileError."""
    for path in given:
        if isinstance(path, RemoteFile):
            yield from _remote(path)
            continue
        if not path.is_dir():
            yield HistoryFile(path, str(path))
            continue
        found = sorted(each for each in path.rglob("*") if _is_export(each, path))
        if not found:
            raise _without_exports(path)
        yield from (HistoryFile(each, str(each)) for each in found)


def _remote(path: RemoteFile) -> Iterator[HistoryFile]:
    below = path.below()
    if below is None:
        yield HistoryFile(path, str(path))
        return
    found = [each for each in below if _is_named_export(each.parts_below(path))]
    if not found:
        raise _without_exports(path)
    yield from (HistoryFile(each, str(each)) for each in found)


def _without_exports(path: HistoryPlace) -> FileError:
    return unreadable(path, f"expected files that end in {', '.join(_EXPORTED)}, got a folder without any")


def _is_export(path: Path, folder: Path) -> bool:
    return _is_named_export(path.relative_to(folder).parts) and path.is_file()


def _is_named_export(parts: Sequence[str]) -> bool:
    """Not what is hidden, and not the manifest of an archive."""
    return not any(part.startswith((".", "_")) for part in parts) and parts[-1].endswith(_EXPORTED)
