"""Archive: compressed JSON lines or Parquet in a folder, or in a bucket of S3, Google Cloud Storage or Azure.

`source=web/date=2026-11-27/<first receivedAt>-<hash>.ndjson.gz`, or `.parquet`: a file for each source and day of
`receivedAt` (UTC) in a batch: 4,000 events, 1 MiB, or what came in five minutes. A file is there whole or not at all,
under a name made of the events' idempotency keys: a batch sent again overwrites it. Each has a line under `_manifest/`:
name, events, bytes, SHA-256, first and last `receivedAt`. Parquet has the event byte for byte in `json`, its names, ids
and times in columns beside it. Storage that is full, read-only or not ours to write pauses the destination. kill -9
loses nothing; up to 4,000 events not yet committed come again, in other files if the batches are cut differently:
readers tell repeats by `messageId`. A check writes an empty object `_check`. `s3://`, `gs://` and `az://` need `pip
install 'event-router[s3]'`, `[gcs]` or `[azure]`, Parquet `[parquet]`.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar
from urllib.parse import quote, urlsplit

import orjson
from pydantic import Field, SecretStr, field_validator

from router.destinations import archive_store, ndjson, parquet
from router.destinations.archive_store import ArchiveStore
from router.destinations.base import Connector, Delivery, Kind, Outcome, RequestLimits, Settings
from router.destinations.registry import destination
from router.errors import Unavailable
from router.events.times import iso, milliseconds

_SECRET = frozenset(("account_key", "client_secret", "connection_string", "password", "sas_token", "secret", "token"))
_LEVEL = 6  # fixed, as is the time in the header: the same events are the same bytes
_WRITERS = 4
ArchiveFormat = Literal["ndjson.gz", "parquet"]
T = TypeVar("T")


class ArchiveSettings(Settings):
    texts: ClassVar = ("options", "secret_options")
    paths: ClassVar = ("url",)

    url: str = Field(
        examples=["./archive"],
        min_length=1,
        description="A folder, relative to the topology file, or s3://BUCKET/PREFIX, gs://… or az://CONTAINER/…",
    )
    format: ArchiveFormat = Field("ndjson.gz", description="How events are stored: compressed JSON lines, or Parquet")
    manifest: bool = Field(True, description="Write a line for each file under _manifest/: one more write a file")
    options: dict[str, Any] = Field(
        {},
        description="Options of s3fs, gcsfs or adlfs, such as endpoint_url or account_name; no secrets. "
        "Left out: credentials of the environment or the machine",
    )
    secret_options: dict[str, SecretStr] = Field(
        {}, description="Those of their options that are secret, such as secret, token or account_key"
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if "://" not in value:
            return value
        scheme, place = urlsplit(value).scheme, urlsplit(value)
        if scheme not in archive_store.SCHEMES:
            raise ValueError(f"expected a folder or one of {', '.join(archive_store.SCHEMES)}, got {scheme}://")
        if place.password is not None or place.query or place.fragment or "::" in value:
            raise ValueError("expected a URL of a place alone, without credentials or a query: see secret_options")
        if scheme != "file" and not place.netloc:
            raise ValueError(f"expected a bucket or a container after {scheme}://")
        return value

    @field_validator("options")
    @classmethod
    def _check_options(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in _SECRET.intersection(value):
            raise ValueError(f"expected {name} under secret_options: it would be shown here")
        return value


@dataclass(frozen=True)
class ArchiveFile:
    """A file to be: its path below the archive, its bytes, and its line of the manifest."""

    path: str
    content: bytes
    entry: bytes


@destination("archive")
class Archive(Connector):
    summary = "Compressed files by source and day, in a folder, S3, Google Cloud Storage or Azure"
    integrations = ("Archive",)
    ignores_integrations = True
    limits = RequestLimits(count=4_000, batch=4_000, age=300.0)
    idempotency = "message_id"
    Settings = ArchiveSettings
    settings: ArchiveSettings

    def __init__(self, name: str, settings: ArchiveSettings, timeout: float) -> None:
        super().__init__(name, settings, timeout)
        self._store: ArchiveStore | None = None
        self._writers: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        self._check_library()
        self._writers = self._writers or ThreadPoolExecutor(_WRITERS, f"archive-{self.name}")
        secrets = {name: value.get_secret_value() for name, value in self.settings.secret_options.items()}
        options = {**self.settings.options, **secrets}
        try:
            self._store = await self._in_thread(lambda: archive_store.opened(self.settings.url, options))
        except ImportError as error:
            extra = archive_store.SCHEMES[urlsplit(self.settings.url).scheme]
            raise Unavailable(f"{self.settings.url} needs a library: pip install 'event-router[{extra}]'") from error
        except Exception as error:  # whatever a library makes of its options and credentials
            outcome = archive_store.failure(error)
            raise Unavailable(f"{self.settings.url}: {outcome.detail} ({outcome.code})") from error

    def _check_library(self) -> None:
        if self.settings.format == "parquet":
            try:
                parquet.needed()
            except ImportError as error:
                raise Unavailable("format: parquet needs a library: pip install 'event-router[parquet]'") from error

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        outcomes: dict[int, Outcome] = {}
        for events in partitions(batch):
            outcome = await self._in_thread(partial(self._write, events))
            outcomes |= dict.fromkeys(map(id, events), outcome)
        return [outcomes[id(event)] for event in batch]

    async def check(self) -> Outcome:
        """Write an empty object `_check`, which stays: an archive need not let us delete."""
        return await self._in_thread(lambda: self._put({"_check": b""}))

    async def close(self) -> None:
        writers, self._writers = self._writers, None
        if writers is not None:
            await asyncio.to_thread(writers.shutdown)
        self._store = None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """A cancelled caller does not stop what has begun: it ends with the same bytes under the same name."""
        assert self._writers is not None, "open() comes first"
        return await asyncio.get_running_loop().run_in_executor(self._writers, work)

    # What follows runs in a writer's thread.

    def _write(self, events: Sequence[Delivery]) -> Outcome:
        file = archive_file(events, self.settings.format)
        parts = {file.path: file.content}
        if self.settings.manifest:
            parts[f"_manifest/{file.path.removesuffix(f'.{self.settings.format}')}.json"] = (
                file.entry
            )  # the file is there before it
        return self._put(parts, shared=len(events) > 1)

    def _put(self, parts: dict[str, bytes], *, shared: bool = False) -> Outcome:
        assert self._store is not None, "open() comes first"
        try:
            for path, content in parts.items():
                self._store.put(path, content)
        except Exception as error:  # noqa: BLE001  each library has exceptions of its own
            return archive_store.failure(error, shared=shared)
        return Outcome(Kind.DELIVERED, "200")


def partitions(batch: Sequence[Delivery]) -> list[list[Delivery]]:
    """The events of each file, in order."""
    found: dict[str, list[Delivery]] = {}
    for event in batch:
        found.setdefault(_partition(event), []).append(event)
    return list(found.values())


def archive_file(events: Sequence[Delivery], form: ArchiveFormat = "ndjson.gz") -> ArchiveFile:
    """The file of events that share a partition: the same for the same events, whenever it is made."""
    keys = "\n".join(sorted(event.idempotency_key for event in events))
    times = [at for event in events if (at := _received(event)) is not None]
    first, last = (iso(min(times)), iso(max(times))) if times else ("", "")
    start = f"{first[:19].replace('-', '').replace(':', '')}Z" if first else "unknown"
    digest = hashlib.blake2b(keys.encode(), digest_size=16).hexdigest()
    path = f"{_partition(events[0])}/{start}-{digest}.{form}"
    content = parquet.encoded(events) if form == "parquet" else _lines(events)
    entry = {
        "name": path, "events": len(events), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(),
        "first": first or None, "last": last or None,
    }  # fmt: skip
    return ArchiveFile(path, content, orjson.dumps(entry) + b"\n")


def _lines(events: Sequence[Delivery]) -> bytes:
    return gzip.compress(b"".join(map(ndjson.line, events)), _LEVEL, mtime=0)


def _partition(event: Delivery) -> str:
    at = _received(event)
    day = "unknown" if at is None else iso(at)[:10]
    return f"source={quote(event.source, safe='') or 'unknown'}/date={day}"


def _received(event: Delivery) -> int | None:
    at = milliseconds(event.body.get("receivedAt"))
    return at if at is not None and iso(at) else None
