"""The files that a topology was read from, and whether they have changed since: cheap to ask every second.

Each file's state is noted just before it is read, so that no change in between is missed. Globs and plan folders are
listed each time, so that a new file counts.
"""

from __future__ import annotations

import glob
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

TEST_SUFFIXES = (".test.yaml", ".test.yml")
_PLAN_SUFFIXES = (".yaml", ".yml", ".json")
_State = tuple[int, int, int, int]  # time of content, time of any change, size, inode
_ABSENT: _State = (0, 0, 0, 0)


class Inputs:
    """Files, `include` globs and plan folders, each noted before it is read."""

    def __init__(self) -> None:
        self._globs: dict[tuple[Path, str], None] = {}
        self._folders: dict[str, None] = {}
        self._noted: dict[str, _State] = {}

    def file(self, path: Path) -> None:
        """A file that is about to be read, there or not."""
        self._note(os.path.abspath(path))

    def glob(self, folder: Path, pattern: str) -> list[Path]:
        """The files that an `include` glob matches now, test files left out."""
        self._globs[Path(os.path.abspath(folder)), pattern] = None
        return _globbed(folder, pattern)

    def plan(self, folder: Path) -> None:
        """A tracking plan that is about to be read."""
        self._folders[os.path.abspath(folder)] = None
        for path in _plan_files(os.path.abspath(folder)):
            self._note(path)

    def changed(self) -> bool:
        """Whether a file has changed since it was noted, came or went. No file is opened."""
        return self.state() != self._noted

    def state(self) -> dict[str, _State]:
        """Every file's state now."""
        found = set(self._noted)
        for folder, pattern in self._globs:
            found.update(map(str, _globbed(folder, pattern)))
        for folder_of_plan in self._folders:
            found.update(_plan_files(folder_of_plan))
        return {path: _state(path) for path in found}

    def _note(self, path: str) -> None:
        if path not in self._noted:
            self._noted[path] = _state(path)


def _globbed(folder: Path, pattern: str) -> list[Path]:
    matches = sorted(glob.glob(pattern, root_dir=folder, recursive=True))
    return [folder / match for match in matches if not match.endswith(TEST_SUFFIXES)]


def _plan_files(folder: str) -> Iterator[str]:
    """What `load_plan` may read: at the top, and below the folders it searches."""
    from router.plan.load import FOLDERS  # no process without plans gets here

    tops = [os.path.join(folder, name) for name in FOLDERS]
    top_level = itertools.islice(os.walk(folder), 1)
    for where, folders, names in (*top_level, *(step for top in tops for step in os.walk(top))):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (os.path.join(where, name) for name in names if name.endswith(_PLAN_SUFFIXES) and name[0] != ".")


def _state(path: str) -> _State:
    """Zeros for a file that is absent or not regular: a pipe can be read only once."""
    try:
        found = os.stat(path)
    except OSError:
        return _ABSENT
    if not stat.S_ISREG(found.st_mode):
        return _ABSENT
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
