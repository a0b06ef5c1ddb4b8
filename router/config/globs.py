"""Globs that choose names: in order, `!` takes back; no globs, or a list that begins with `!`, starts from all."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase


def chosen(globs: Sequence[str], name: str) -> bool:
    """Whether the globs choose the name."""
    taken = not globs or globs[0].startswith("!")
    for glob in globs:
        if fnmatchcase(name, glob.removeprefix("!")):
            taken = not glob.startswith("!")
    return taken
