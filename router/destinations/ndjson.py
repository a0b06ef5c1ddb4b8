"""A growing file of lines that is safe to read once it has its final name.

It grows under `<name>.part`, held by flock, and is renamed (or compressed, then renamed) when finished. A line counts
only after `append` has returned: then it is on disk, fsync included. kill -9 can leave an unfinished `.part` file,
whose last line may be torn; `recover` cuts it back to its last whole line and finishes it. Lines written but not yet
acknowledged may then stand in it and come again in a later file: at least once.
"""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import orjson

from router.destinations.base import Delivery

PART = ".part"
MODE = 0o640  # events are about people: nobody but the owner and the group reads them
_TAIL_BYTES = 64 * 1024


def line(event: Delivery) -> bytes:
    """The event byte for byte as it came; written anew only where it has line breaks."""
    value = event.value
    return (orjson.dumps(event.body) if b"\n" in value or b"\r" in value else value) + b"\n"


class LineFile:
    """One file that grows. Not for use from two threads at a time. Every method may raise OSError."""

    def __init__(self, folder: Path, prefix: str, *, compress: bool) -> None:
        self.path, self._descriptor = _create(folder, prefix)
        self.size = 0
        self._compress = compress

    def append(self, lines: bytes) -> None:
        """Durable once it returns. When it raises, nothing of `lines` counts and the file can only be finished."""
        if not os.fstat(self._descriptor).st_nlink:
            raise FileNotFoundError(errno.ENOENT, "the file was deleted while it grew", str(self.path))
        view = memoryview(lines)
        while view:
            view = view[os.write(self._descriptor, view) :]
        os.fsync(self._descriptor)
        self.size += len(lines)

    def finish(self) -> Path | None:
        """Give the file its final name, cut back to what `append` has acknowledged; None when that is nothing."""
        try:
            os.ftruncate(self._descriptor, self.size)
            os.fsync(self._descriptor)
            return _publish(self.path, self.size, compress=self._compress)
        finally:
            os.close(self._descriptor)


def _create(folder: Path, prefix: str) -> tuple[Path, int]:
    """A new file and its locked descriptor. `recover` elsewhere may delete it before it is locked: then again."""
    while True:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = folder / f"{prefix}-{stamp}-{uuid.uuid4().hex[:12]}.ndjson{PART}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                sync_folder(folder)
                return path, descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def recover(folder: Path, prefix: str, *, compress: bool) -> list[Path]:
    """Finish the `.part` files that a killed process has left; those of a living one are locked and left alone."""
    ours = re.compile(re.escape(prefix) + r"-\d{8}T\d{6}Z-[0-9a-f]{12}\.ndjson" + re.escape(PART))
    finished = []
    for path in sorted(path for path in folder.iterdir() if ours.fullmatch(path.name)):
        for descriptor in _locked(path):
            size = _whole_lines(descriptor)
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
            done = _publish(path, size, compress=compress)
            finished += [done] if done else []
    return finished


def _locked(path: Path) -> Iterator[int]:
    """The descriptor, once, if nobody else holds the file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # another process has just finished it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            yield descriptor
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)


def _whole_lines(descriptor: int) -> int:
    """Bytes up to and including the last newline."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - _TAIL_BYTES)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _publish(part: Path, size: int, *, compress: bool) -> Path | None:
    final = part.with_name(part.name.removesuffix(PART))
    if size == 0:
        part.unlink()
    elif compress:
        final = final.with_name(final.name + ".gz")
        _compressed(part, final)
        part.unlink()
    else:
        part.rename(final)
    sync_folder(part.parent)
    return final if size else None


def _compressed(part: Path, final: Path) -> None:
    """A crash on the way leaves the `.part` file, from which all of this is done again under the same name."""
    draft = final.with_name(final.name + ".tmp")
    with part.open("rb") as source, open(draft, "wb", opener=_private) as target:
        with gzip.GzipFile(part.name.removesuffix(PART), "wb", 6, target, mtime=0) as packed:
            shutil.copyfileobj(source, packed, 1024 * 1024)
        target.flush()
        os.fsync(target.fileno())
    draft.replace(final)
    sync_folder(final.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, MODE)


def sync_folder(folder: Path) -> None:
    """Make names in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
