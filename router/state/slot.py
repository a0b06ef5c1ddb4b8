"""A worker's place on disk: one numbered sub-directory of --state, held by flock.

No number is configured: a worker takes the lowest one that nobody holds. The uuid in it is made once and names the
worker ever after (transactional.id, home of the stores). The kernel drops the lock with the process, so kill -9 loses
nothing and the next worker takes the same place, with the stores as they were left.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import re
import shutil
import uuid
from pathlib import Path

from router import metrics
from router.errors import Unavailable

_UUID_HEX = re.compile(rb"[0-9a-f]{32}\n?\Z")
MAX_SLOTS = 10_000


class Slot:
    """A held slot. `path` is its directory, `id` 32 hex digits, `number` from 0."""

    def __init__(self, path: Path, number: int, lock: int) -> None:
        self.path = path
        self.number = number
        self._lock = lock
        self.id = _identity(path)

    @classmethod
    def take(cls, root: Path, kind: str = "route") -> Slot:
        """Take the lowest free slot `<root>/<kind>-<n>`. Raises Unavailable when the directory cannot be used."""
        try:
            slot = cls._take(root, kind)
        except OSError as error:
            raise Unavailable(f"{root}: expected a directory for state, got {error.strerror}") from error
        metrics.STATE_FREE.labels(kind).set_function(lambda: _free_bytes(root))
        return slot

    @classmethod
    def _take(cls, root: Path, kind: str) -> Slot:
        root.mkdir(parents=True, exist_ok=True)
        for number in range(MAX_SLOTS):
            path = root / f"{kind}-{number}"
            path.mkdir(0o750, exist_ok=True)  # ids of people are in the stores
            lock = _lock(path / "lock")
            if lock is not None:
                try:
                    return cls(path, number, lock)
                except BaseException:
                    os.close(lock)
                    raise
        raise Unavailable(f"{root}: expected a free slot, got {MAX_SLOTS} taken ones")

    def release(self) -> None:
        """Give the slot back; twice is once."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def slots(folder: Path) -> list[Path]:
    """The slots of route workers in a topology's state folder, by number."""
    found = [path for path in folder.glob("route-*") if path.name.removeprefix("route-").isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("route-")))


def _free_bytes(folder: Path) -> float:
    """Of its file system; no number where the folder is gone, since a metrics page must not fail."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return math.nan


def _lock(path: Path) -> int | None:
    """The descriptor that holds the lock, or None when another one does. Children do not inherit it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise
    return descriptor


def _identity(path: Path) -> str:
    """The slot's uuid, made at first use. A file that a crash or a hand has spoilt is replaced by a new one."""
    file = path / "id"
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        content = b""
    if not _UUID_HEX.match(content):
        content = uuid.uuid4().hex.encode()
        write_durably(file, content + b"\n")
    return content.decode().strip()


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file so that it holds the old or the new content after a crash, power loss included."""
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
