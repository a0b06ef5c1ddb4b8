"""File: an archive of newline-delimited JSON in a folder.

Files are named `<destination>-<UTC time>-<random>.ndjson` (`.ndjson.gz` with `gzip`). A file is complete and never
changes again once it has that name; the one that grows ends in `.part`. It is finished at `rotate_bytes`, at
`rotate_age` and on stop. An event is delivered when its line is on disk, fsync included; what is there when a write
ends is written together next. kill -9 loses nothing: at start the torn tail of a `.part` file is cut off and the file
finished; lines not yet committed are written again, so readers tell repeats by `messageId`. The archive ignores an
event's `integrations`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from router.config.types import Bytes, Duration
from router.destinations import ndjson
from router.destinations.base import Connector, Delivery, Kind, Outcome, RequestLimits, Settings
from router.destinations.registry import destination
from router.errors import Unavailable

_CONFIG_FAULTS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR})

log = logging.getLogger(__name__)
T = TypeVar("T")


class FileSettings(Settings):
    path: Path = Field(
        examples=["./out"], description="Folder of the files; made when it is not there. Relative to the topology file"
    )
    rotate_bytes: Bytes = Field("64MiB", validate_default=True, description="Finish a file at this size")
    rotate_age: Duration = Field("1h", validate_default=True, gt=0, description="Finish a file at this age")
    gzip: bool = Field(False, description="Compress finished files")


@destination("file")
class File(Connector):
    summary = "Newline-delimited JSON files in a folder, rotated by size and age"
    integrations = ("File",)
    ignores_integrations = True
    limits = RequestLimits(count=5_000, batch=1_000)
    idempotency = "message_id"
    Settings = FileSettings
    settings: FileSettings

    def __init__(self, name: str, settings: FileSettings, timeout: float) -> None:
        super().__init__(name, settings, timeout)
        self._current: ndjson.LineFile | None = None
        self._writer: ThreadPoolExecutor | None = None
        self._finisher: ThreadPoolExecutor | None = None  # compressing must not hold up writing
        self._rotation: tuple[ndjson.LineFile, asyncio.TimerHandle] | None = None

    async def open(self) -> None:
        self._writer = self._writer or ThreadPoolExecutor(1, f"file-{self.name}")
        self._finisher = self._finisher or ThreadPoolExecutor(1, f"finish-{self.name}")
        try:
            await self._in(self._writer, self._recover)
        except OSError as error:
            raise Unavailable(f"{self.settings.path}: expected a folder for files, got {error.strerror}") from error

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        if not batch:
            return []
        lines = b"".join([ndjson.line(one) for one in batch])
        try:
            current = await self._in(self._writer, lambda: self._append(lines))
        except OSError as error:
            return [_failure(error)] * len(batch)
        self._plan_rotation(current)
        return [Outcome(Kind.DELIVERED, "200")] * len(batch)

    async def close(self) -> None:
        writer, finisher = self._writer, self._finisher
        if self._rotation is not None:
            self._rotation[1].cancel()
        if writer is not None and finisher is not None:
            await self._in(writer, self._rotate)
            await asyncio.to_thread(writer.shutdown)
            await asyncio.to_thread(finisher.shutdown)
        self._writer = self._finisher = self._rotation = None

    async def _in(self, executor: ThreadPoolExecutor | None, work: Callable[[], T]) -> T:
        """Run in that thread, in order; a cancelled caller does not stop what has begun."""
        assert executor is not None, "open() comes first"
        return await asyncio.get_running_loop().run_in_executor(executor, work)

    def _plan_rotation(self, current: ndjson.LineFile | None) -> None:
        if current is None or (self._rotation is not None and self._rotation[0] is current):
            return
        if self._rotation is not None:
            self._rotation[1].cancel()
        timer = asyncio.get_running_loop().call_later(self.settings.rotate_age, self._rotate_soon, current)
        self._rotation = (current, timer)

    def _rotate_soon(self, aged: ndjson.LineFile) -> None:
        assert self._writer is not None
        self._writer.submit(lambda: self._rotate() if self._current is aged else None)

    # What follows runs in the writer's thread only.

    def _recover(self) -> None:
        self.settings.path.mkdir(parents=True, exist_ok=True)
        ndjson.recover(self.settings.path, self.name, compress=self.settings.gzip)

    def _append(self, lines: bytes) -> ndjson.LineFile | None:
        """The file that grows now; None when it has reached its size."""
        if self._current is None:
            self._current = ndjson.LineFile(self.settings.path, self.name, compress=self.settings.gzip)
        try:
            self._current.append(lines)
        except OSError:
            # After a failed write or fsync the tail is unknown: cut it off and go on in a new file.
            self._rotate()
            raise
        if self._current.size >= self.settings.rotate_bytes:
            self._rotate()
        return self._current

    def _rotate(self) -> None:
        current, self._current = self._current, None
        if current is not None and self._finisher is not None:
            self._finisher.submit(self._finish, current)

    def _finish(self, aged: ndjson.LineFile) -> None:
        """What was acknowledged is durable under the `.part` name as well; the next start finishes it."""
        try:
            aged.finish()
        except OSError as error:
            log.warning("a file could not be finished and stays .part", extra={"destination": self.name, "why": error})


def _failure(error: OSError) -> Outcome:
    code = errno.errorcode.get(error.errno or 0, "EIO")
    kind = Kind.REFUSED if error.errno in _CONFIG_FAULTS else Kind.RETRY
    return Outcome(kind, code, error.strerror or "")
