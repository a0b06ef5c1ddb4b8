"""A plan as a git revision has it, read from the repository without touching the work tree."""

from __future__ import annotations

import posixpath
from pathlib import Path

from router.document import MAX_BYTES
from router.plan.load import FOLDERS, parse_plan
from router.plan.model import Plan
from router.plan.shape import TOP_FILES
from router.repository import blobs, commit_of, contents, prefix_of


def plan_at(revision: str, folder: str, where: Path) -> Plan | None:
    """The plan in a folder (relative to `where`, else to the repository's root) at a revision; None where it has none.

    Raises RouterError where `where` is in no repository or the revision is unknown, FileError where the plan is wrong.
    """
    prefix, commit = prefix_of(where), commit_of(where, revision)
    for base in dict.fromkeys((posixpath.normpath(posixpath.join(prefix, folder)), posixpath.normpath(folder))):
        if base.startswith(".."):
            continue
        found = blobs(where, commit, "" if base == "." else base)
        own = {name: blob for name, blob in found.items() if _belongs(name)}
        if own:
            files = {name: content[: MAX_BYTES + 1] for name, content in contents(where, own).items()}
            return parse_plan(files, Path(f"{revision}:{folder}"))
    return None


def _belongs(name: str) -> bool:
    """Whether a file is one of a plan's."""
    parts = name.split("/")
    hidden = any(part.startswith(".") for part in parts)
    inside = parts[0] in FOLDERS and len(parts) > 1 and name.endswith(".yaml")
    return not hidden and (name in TOP_FILES or inside)
