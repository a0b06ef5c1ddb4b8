"""A plan as a git revision has it, read from the repository without touching the work tree."""

from __future__ import annotations

import posixpath
import subprocess
from pathlib import Path

from router.document import MAX_BYTES
from router.errors import RouterError, Unavailable
from router.plan.load import FOLDERS, parse_plan
from router.plan.model import Plan
from router.plan.shape import TOP_FILES

_SECONDS = 60


def plan_at(revision: str, folder: str, where: Path) -> Plan | None:
    """The plan in a folder (relative to `where`, else to the repository's root) at a revision; None where it has none.

    Raises RouterError where `where` is in no repository or the revision is unknown, FileError where the plan is wrong.
    """
    prefix = _git(where, "rev-parse", "--show-prefix").decode().strip()
    commit = (
        _git(where, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    )
    for base in dict.fromkeys((posixpath.normpath(posixpath.join(prefix, folder)), posixpath.normpath(folder))):
        blobs = _listed(where, commit, "" if base == "." else base)
        if blobs:
            return parse_plan(_contents(where, blobs), Path(f"{revision}:{folder}"))
    return None


def _listed(where: Path, commit: str, base: str) -> dict[str, str]:
    """The blobs of a plan's files by their path inside its folder."""
    if base.startswith(".."):
        return {}
    found = _git(where, "ls-tree", "-r", "-z", "--full-tree", commit, "--", *([base] if base else []))
    blobs: dict[str, str] = {}
    for entry in found.decode(errors="surrogateescape").split("\0")[:-1]:
        about, _, path = entry.partition("\t")
        mode, kind, blob = about.split()
        name = posixpath.relpath(path, base or ".")
        if kind == "blob" and mode != "120000" and _belongs(name):
            blobs[name] = blob
    return blobs


def _belongs(name: str) -> bool:
    """Whether a file is one of a plan's."""
    parts = name.split("/")
    hidden = any(part.startswith(".") for part in parts)
    inside = parts[0] in FOLDERS and len(parts) > 1 and name.endswith(".yaml")
    return not hidden and (name in TOP_FILES or inside)


def _contents(where: Path, blobs: dict[str, str]) -> dict[str, bytes]:
    """Every blob's bytes, read in one go."""
    asked = "".join(f"{blob}\n" for blob in blobs.values()).encode()
    answer = _git(where, "cat-file", "--batch", given=asked)
    contents: dict[str, bytes] = {}
    for name in blobs:
        head, _, answer = answer.partition(b"\n")
        size = int(head.split()[2])
        contents[name] = answer[: min(size, MAX_BYTES + 1)]
        answer = answer[size + 1 :]
    return contents


def _git(where: Path, *arguments: str, given: bytes = b"") -> bytes:
    try:
        done = subprocess.run(  # noqa: S603
            ("git", "-C", str(where), *arguments),  # noqa: S607
            input=given,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise Unavailable("expected git, got no such program") from error
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        got = told[0] if told else f"no such revision ({arguments[-1].removesuffix('^{commit}')})"
        raise RouterError(f"expected a folder or a git revision, got {got}")
    return done.stdout
