"""A small disk of its own (tmpfs) that can be full from one moment to the next. Linux, as root."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

SIZE = 512 * 1024 * 1024


def missing() -> str | None:
    """Why no disk can be mounted here, or None."""
    if sys.platform != "linux":
        return "tmpfs is Linux's"
    if os.geteuid() != 0:
        return "mounting needs root"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with SmallDisk(Path(folder)):
                return None
        except subprocess.CalledProcessError:
            return "mounting is forbidden here, as it is in a container that is not privileged"


class SmallDisk:
    """Mounted at `path` within the `with` block."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(self.path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Lazily: a process that has just been killed may still hold a file.
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)

    def fill(self) -> None:
        """No further byte can be written: the disk shrinks to what is on it."""
        for _ in range(10):
            used = os.statvfs(self.path)
            if self._resize((used.f_blocks - used.f_bfree) * used.f_frsize):
                return
        raise OSError(f"{self.path}: grew faster than it could be shrunk")

    def free(self) -> None:
        """As it was."""
        if not self._resize(SIZE):
            raise OSError(f"{self.path}: cannot be mounted again with {SIZE} bytes")

    def _resize(self, size: int) -> bool:
        return _mount("-o", f"remount,size={size}", str(self.path), check=False)


def _mount(*arguments: str, check: bool = True) -> bool:
    return subprocess.run(["mount", *arguments], check=check, capture_output=True).returncode == 0
