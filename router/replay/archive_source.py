"""Events of an archive (the destination type `archive`), of either format, in a folder or an object store.

Files are read by day, source and name, so in the order of receive times. An archive may hold an event twice, in two
files of its source and day; it is given once. Reading changes nothing in the archive.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from router.destinations import archive_store, parquet
from router.errors import RouterError, Unavailable
from router.events.times import milliseconds
from router.replay.replay_source import Candidate, MissingRange

_ENDINGS = (".ndjson.gz", ".parquet")


class ArchivedFile(NamedTuple):
    """In the order in which files are read. `path` is below the archive."""

    date: str
    source: str
    name: str
    path: str


@dataclass(frozen=True)
class ArchiveReader:
    """Where the files are. Both raise what the storage's library does."""

    place: str
    paths: Callable[[], Iterable[str]]
    open: Callable[[str], IO[bytes]]

    @classmethod
    def at(cls, url: str, options: Mapping[str, Any]) -> ArchiveReader:
        """A folder or a URL such as s3://BUCKET/PREFIX. Raises Unavailable, RouterError."""
        scheme, separator, _ = url.partition("://")
        if not separator or scheme == "file":
            root = Path(unquote(urlsplit(url).path) if separator else url)
            if not root.is_dir():
                raise RouterError(f"--from archive:{url}: expected a folder, got none")
            found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.name.endswith(_ENDINGS))
            return cls(url, lambda: found, lambda path: (root / path).open("rb"))
        try:
            import fsspec  # with the libraries behind it, only where an archive is read from such a place

            files = fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False, **options)
        except (ImportError, ValueError, TypeError) as error:
            extra = archive_store.SCHEMES.get(scheme, "")
            needs = f" needs a library: pip install 'event-router[{extra}]'" if extra else f": {type(error).__name__}"
            raise Unavailable(f"{url}{needs}") from error
        root_name = files._strip_protocol(url).rstrip("/")
        return cls(
            url,
            lambda: (name.removeprefix(root_name).lstrip("/") for name in files.find(url) if name.endswith(_ENDINGS)),
            lambda path: files.open(f"{url.rstrip('/')}/{path}", "rb"),
        )


class ArchiveSource:
    """Those received between two times, in ms. `extent` is how many files there are to read, and the last of them."""

    def __init__(self, reader: ArchiveReader, since: int, until: int, extent: Mapping[str, Any] | None = None) -> None:
        self._reader = reader
        self._days = _day(since), _day(max(since, until - 1))
        self._last = tuple(extent["last"]) if extent is not None and extent["last"] else None
        self._given = extent

    @cached_property
    def files(self) -> list[ArchivedFile]:
        """In order. Raises Unavailable."""
        found = filter(None, map(archived_file, self._asked(self._reader.paths)))
        first, last = self._days
        chosen = sorted(one for one in found if first <= one.date <= last)
        if self._given is None:
            return chosen
        return [one for one in chosen if self._last is not None and one <= self._last]

    @property
    def extent(self) -> dict[str, Any]:
        if self._given is not None:
            return dict(self._given)
        return {"files": len(self.files), "last": list(self.files[-1]) if self.files else None}

    def missing(self, position: Mapping[str, Any]) -> list[MissingRange]:
        gone = self.extent["files"] - len(self.files)
        return [MissingRange(f"{gone} files")] if gone > 0 else []

    def candidates(self, position: Mapping[str, Any]) -> Iterator[Candidate]:
        at = position.get("at")
        reached, passed = (ArchivedFile(*at[0]), at[1]) if at else (None, 0)
        seen: set[bytes] = set()
        part = ("", "")
        for number, file in enumerate(self.files):
            if reached is not None and file[:2] < reached[:2]:
                continue
            if file[:2] != part:
                part, seen = (file.date, file.source), set()
            for line_number, line in enumerate(self._values(file), 1):
                one = _candidate(file, line, ("at", [list(file), line_number, number]))
                digest = _identity(one)
                before = reached is not None and (file, line_number) <= (reached, passed)
                if not before and digest not in seen:
                    yield one
                seen.add(digest)

    def _values(self, file: ArchivedFile) -> Iterator[bytes]:
        """The events of a file, byte for byte."""
        with self._asked(lambda: self._reader.open(file.path)) as stored:
            try:
                yield from parquet.values(stored) if file.name.endswith(".parquet") else _lines(stored)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise RouterError(f"{self._reader.place}/{file.path}: expected gzip, got {error}") from error
            except parquet.NotAnArchive as error:
                raise RouterError(f"{self._reader.place}/{file.path}: {error}") from error
            except ImportError as error:
                raise Unavailable(f"{file.path} needs a library: pip install 'event-router[parquet]'") from error

    def _asked(self, asked: Callable[[], Any]) -> Any:
        try:
            return asked()
        except Exception as error:  # whatever a storage's library raises
            outcome = archive_store.failure(error)
            raise Unavailable(f"{self._reader.place}: {outcome.detail} ({outcome.code})") from error


def _lines(stored: IO[bytes]) -> Iterator[bytes]:
    with gzip.open(stored) as lines:
        for line in lines:
            yield line.removesuffix(b"\n")


def archived_file(path: str) -> ArchivedFile | None:
    """A file of events by its path, `source=web/date=2026-11-27/….ndjson.gz`; None for another."""
    *_, source, date, name = ["", "", *path.split("/")]
    if not source.startswith("source=") or not date.startswith("date=") or name.startswith("."):
        return None
    return ArchivedFile(date.removeprefix("date="), unquote(source.removeprefix("source=")), name, path)


def _candidate(file: ArchivedFile, line: bytes, mark: tuple[str, Any]) -> Candidate:
    one = Candidate(line, None, (), -1, file.source, "", "", mark)
    body = one.body or {}
    one.time = at if (at := milliseconds(body.get("receivedAt"))) is not None else -1
    one.type, one.event = _text(body.get("type")), _text(body.get("event")) if body.get("type") == "track" else ""
    one.key = _text(body.get("profileId")).encode() or None
    one.headers = [("source", one.source.encode()), ("type", one.type.encode()), ("event", one.event.encode())]
    return one


def _identity(one: Candidate) -> bytes:
    """What repeats of an event share."""
    message_id = _text((one.body or {}).get("messageId"))
    return blake2b(message_id.encode("utf-8", "surrogatepass") or one.value, digest_size=16).digest()


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
