"""Opens files as they are exported: compressed by gzip or not, in UTF-8 or UTF-16; and knows a file by its bytes."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import IO, NamedTuple

from router.destinations import parquet
from router.errors import FileError, Problem
from router.history.remote_file import HistoryPlace, RemoteFile

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BLOCK = 1 << 20
_WORDS = {"csv": "CSV, gzip or not", "ndjson": "NDJSON, gzip or not", "parquet": "Parquet"}


class FileIdentity(NamedTuple):
    """What a file is known by, whatever it is called: its bytes as they lie on disk."""

    size: int
    digest: str


def identity_of(path: HistoryPlace) -> FileIdentity:
    """Reads the file once. Raises FileError."""
    digest, size = blake2b(digest_size=16), 0
    with _readable(path) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return FileIdentity(size, digest.hexdigest())


@contextmanager
def opened(path: HistoryPlace, form: str) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where it is gzip (of one member or several), to be read as that format.

    Raises FileError, then and later.
    """
    with _readable(path) as stream:
        head = stream.read(4)
        stream.seek(0)
        if head == _ZIP:
            raise unreadable(path, "expected CSV, NDJSON or Parquet, got a zip archive: unpack it first")
        if (head == parquet.MAGIC) != (form == "parquet"):
            got = "a Parquet file" if head == parquet.MAGIC else "another file"
            raise unreadable(path, f"expected {_WORDS[form]}, got {got}")
        try:
            if head[:2] == _GZIP:
                with gzip.open(stream) as inner, io.BufferedReader(inner, _BLOCK) as unpacked:
                    yield unpacked
            else:
                yield stream
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise unreadable(path, f"expected a whole gzip file, got one that ends or breaks: {error}") from error


def encoding_of(stream: IO[bytes]) -> str:
    """The encoding by the byte order mark, or by the zeros of UTF-16 without one; the mark is passed over."""
    head = stream.peek(8)[:8]  # type: ignore[attr-defined]  # every stream of `opened` is buffered
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            stream.read(len(mark))
            return encoding
    if len(head) >= 4 and head[1] == head[3] == 0 and head[0] and head[2]:
        return "utf-16-le"
    return "utf-16-be" if len(head) >= 4 and head[0] == head[2] == 0 and head[1] and head[3] else "utf-8"


@contextmanager
def _readable(path: HistoryPlace) -> Iterator[IO[bytes]]:
    if isinstance(path, RemoteFile):
        with path.open_binary(_BLOCK) as remote:
            yield remote
        return
    try:
        stream = path.open("rb", _BLOCK)
    except OSError as error:
        raise unreadable(path, f"expected a readable file, got {error.strerror}") from error
    with stream:
        yield stream


def unreadable(path: HistoryPlace, message: str, line: int = 0) -> FileError:
    """What is wrong with a file as a whole."""
    return FileError([Problem(str(path), line, 1 if line else 0, "", message)])
