"""Files as a git revision has them, read from the repository without touching the work tree."""

from __future__ import annotations

import posixpath
import subprocess
from collections.abc import Mapping
from pathlib import Path

from router.errors import RouterError, Unavailable

_SECONDS = 60


def commit_of(where: Path, revision: str) -> str:
    """The commit that a revision names, for the repository that holds the folder `where`. Raises RouterError."""
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return git(where, *asked).decode().strip()


def prefix_of(where: Path) -> str:
    """The folder's path from the root of its repository: empty, or with a slash at its end. Raises RouterError."""
    return git(where, "rev-parse", "--show-prefix").decode(errors="surrogateescape").rstrip("\n")


def blobs(where: Path, commit: str, base: str = "") -> dict[str, str]:
    """The files at and below `base` (a path from the root) by their path from it. Links are left out."""
    found = git(where, "ls-tree", "-r", "-z", "--full-tree", commit, "--", *([base] if base else []))
    listed: dict[str, str] = {}
    for entry in found.decode(errors="surrogateescape").split("\0")[:-1]:
        about, _, path = entry.partition("\t")
        mode, kind, blob = about.split()
        if kind == "blob" and mode != "120000":
            listed[posixpath.relpath(path, base or ".")] = blob
    return listed


def contents(where: Path, listed: Mapping[str, str]) -> dict[str, bytes]:
    """Every blob's bytes, read in one go."""
    asked = "".join(f"{blob}\n" for blob in listed.values()).encode()
    answer = git(where, "cat-file", "--batch", given=asked)
    at, found = 0, {}
    for name in listed:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].split()[2])
        found[name] = answer[end + 1 : end + 1 + size]
        at = end + size + 2
    return found


def git(where: Path, *arguments: str, given: bytes = b"") -> bytes:
    """What git prints. Raises RouterError with what it says is wrong, Unavailable where there is no git."""
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
        got = (
            told[0].removeprefix("fatal: ") if told else f"no such revision ({arguments[-1].removesuffix('^{commit}')})"
        )
        raise RouterError(f"expected a folder or a git revision, got {got}")
    return done.stdout
