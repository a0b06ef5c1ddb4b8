"""A folder for one run of the embedded broker: what was true of the last one means nothing to the next.

It goes when the run ends. kill -9 leaves it behind, unlocked; the next run in the same place removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from router.errors import Unavailable

_PREFIX = "embedded-"
_LOCK = "lock"
_PROBE_BYTES = 64 * 1024


def check_state(root: Path) -> None:
    """Make the folder and write into it. Raises Unavailable when it cannot be used, or the disk is full."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise Unavailable(f"{root}: expected a folder for state that can be written, got {error.strerror}") from error


@contextmanager
def run_directory(root: Path) -> Iterator[Path]:
    """A new folder under `root`, held by flock. Raises Unavailable when it cannot be made."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        for left in root.glob(f"{_PREFIX}*"):
            _remove_if_left(left)
        path, lock = _hold_new(root)
    except OSError as error:
        raise Unavailable(f"{root}: expected a folder for state, got {error.strerror}") from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _hold_new(root: Path) -> tuple[Path, int]:
    """A new folder and its lock's file descriptor. Another run may remove it before it is held: then once more."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            return path, lock
        os.close(lock)


def _remove_if_left(path: Path) -> None:
    """Remove the folder of a run that is over; one without a lock file is about to begin."""
    try:
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    except BlockingIOError:
        return  # that run is alive
    finally:
        os.close(lock)
