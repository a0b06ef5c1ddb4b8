"""The files that a topology is made of, and whether they have changed: cheap to ask every second.

They are its own files, what it includes, the env file, secrets files and plan folders. Globs are looked up each time,
so that a new file counts; faults in the files are passed over, since loading names them.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from router.config.files import Files, globbed
from router.config.loader import absolute
from router.plan.load import FOLDERS

Stamp = tuple[tuple[str, int, int, int, int], ...]  # path, time of content, time of any change, size, inode
_PLAN_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Inputs:
    """All paths are absolute. `globs` are patterns with the folder each begins in."""

    files: tuple[Path, ...]
    globs: tuple[tuple[Path, str], ...]
    folders: tuple[Path, ...]

    def paths(self) -> list[str]:
        """Every file that is there now, or should be."""
        found = set(map(str, self.files))
        for folder, pattern in self.globs:
            found.update(map(str, globbed(folder, pattern)))
        for folder in self.folders:
            found.update(_plan_files(str(folder)))
        return sorted(found)

    def stamp(self) -> Stamp:
        """Differs when any file may have changed. No file is opened."""
        return tuple(_stat(path) for path in self.paths())

    def digest(self) -> str:
        """Differs when the content of any file does, or a file comes or goes."""
        whole = sha256()
        for path in self.paths():
            content = _content(path)
            whole.update(f"{path}\0{-1 if content is None else len(content)}\0".encode("utf-8", "surrogateescape"))
            whole.update(content or b"")
        return whole.hexdigest()


def inputs_of(paths: Sequence[Path], env: Mapping[str, str], env_file: Path | None = None) -> Inputs:
    """What a topology of these files is made of now; `env` answers `${NAME}`."""
    files = Files(env)
    root = files.topology(paths)
    sources = root.child("sources") if root else None
    plans = []
    for node in sources.value.values() if sources and isinstance(sources.value, dict) else ():
        plan = absolute(node, "plan").child("plan")
        if plan is not None and isinstance(plan.plain(), str) and plan.plain():
            plans.append(Path(plan.plain()))
    own = [*files.read, *files.secrets, *([env_file.absolute()] if env_file else [])]
    return Inputs(tuple(dict.fromkeys(own)), tuple(dict.fromkeys(files.globs)), tuple(dict.fromkeys(plans)))


def _plan_files(folder: str) -> Iterator[str]:
    """What `load_plan` may read: at the top, and below the folders it looks into."""
    tops = [os.path.join(folder, name) for name in FOLDERS]
    for where, folders, names in (*_listing(folder), *(step for top in tops for step in os.walk(top))):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (os.path.join(where, name) for name in names if name.endswith(_PLAN_SUFFIXES) and name[0] != ".")


def _listing(folder: str) -> Iterator[tuple[str, list[str], list[str]]]:
    yield from itertools.islice(os.walk(folder), 1)


def _stat(path: str) -> tuple[str, int, int, int, int]:
    """Zeros for a file that is not there, or is no file: a pipe can be read only once."""
    try:
        found = os.stat(path)
    except OSError:
        return path, 0, 0, 0, 0
    if not stat.S_ISREG(found.st_mode):
        return path, 0, 0, 0, 0
    return path, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _content(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if os.path.isfile(path) else None
    except OSError:
        return None
