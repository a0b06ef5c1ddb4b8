"""Tracking plans as their folders have them now, and what they were: by git, else as far as this process has seen.

A folder is parsed anew only when a file of it has changed. Everything here reads files and waits for git: not for an
event loop.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from router.config.loader import Loaded
from router.errors import FileError, RouterError, UsageError
from router.events.times import iso
from router.plan.load import collect, parse_plan
from router.plan.model import Plan
from router.plan_tools.diff import PlanChange, diff
from router.plan_tools.diff.revision import plan_at
from router.repository import git

NOW = "now"
MOST_REVISIONS = 30
_HASH = re.compile(r"[0-9a-f]{7,64}\Z")
_FORM = "%H%x00%an%x00%aI%x00%s"


@dataclass(frozen=True, slots=True)
class PlanRevision:
    """A state of a plan: `id` is a commit, or the revision of its files; `time` is ISO 8601."""

    id: str
    time: str
    author: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class PlanHistory:
    """The newest first; `git` says whether they are commits, else they are what this process has seen, and why."""

    git: bool
    revisions: list[PlanRevision]
    why: str = ""


class PlanFolders:
    """For several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._files: dict[Path, dict[str, bytes]] = {}
        self._seen: dict[Path, list[tuple[int, Plan]]] = {}  # the newest last

    def read(self, folder: Path) -> Plan:
        """The plan that is there now. Raises FileError."""
        files, problems = collect(folder)
        if problems:
            raise FileError(problems)
        with self._lock:
            if self._files.get(folder) != files:
                plan = parse_plan(files, folder)
                seen = self._seen.setdefault(folder, [])
                seen.append((int(time.time() * 1000), plan))
                del seen[:-MOST_REVISIONS]
                self._files[folder] = files
            return self._seen[folder][-1][1]

    def history(self, folder: Path) -> PlanHistory:
        """Its latest revisions."""
        try:
            printed = git(folder, "log", f"--max-count={MOST_REVISIONS}", f"--format={_FORM}", "--", ".")
        except RouterError as error:
            return self._history(folder, f"this folder is in no git repository that can be read: {error}")
        lines = [line.split("\0", 3) for line in printed.decode(errors="replace").splitlines()]
        found = [PlanRevision(commit, at, author, subject) for commit, author, at, subject in lines]
        return PlanHistory(True, found) if found else self._history(folder, "git has no commit of this folder")

    def changes(self, folder: Path, old: str, new: str) -> list[PlanChange]:
        """What changed from one revision to another, `now` being the files as they are. Raises UsageError, RouterError.

        A revision in which the folder had no plan counts as an empty one.
        """
        return diff(self._at(folder, old), self._at(folder, new))

    def _at(self, folder: Path, revision: str) -> Plan:
        if revision == NOW:
            return self.read(folder)
        if not _HASH.match(revision):
            raise UsageError(f"expected a revision, got {revision[:40]!r}")
        with self._lock:
            seen = [plan for _, plan in self._seen.get(folder, ()) if plan.revision == revision]
        if seen:
            return seen[-1]
        found = plan_at(revision, ".", folder) or Plan(folder.name)
        return replace(found, name=folder.name) if found.name.startswith(f"{revision}:") else found

    def _history(self, folder: Path, why: str) -> PlanHistory:
        with self._lock:
            seen = [PlanRevision(plan.revision, iso(at)) for at, plan in self._seen.get(folder, ())]
        return PlanHistory(False, seen[::-1], why)


def plan_names(loaded: Loaded) -> dict[str, tuple[Path, list[str]]]:
    """Folders of the topology's plans and the sources that follow each, by a name of their own."""
    found: dict[Path, list[str]] = {}
    for name, source in loaded.topology.sources.items():
        if source.plan is not None:
            found.setdefault(source.plan, []).append(name)
    named: dict[str, tuple[Path, list[str]]] = {}
    for folder, sources in found.items():
        same = [name for name in named if name == folder.name or name.startswith(f"{folder.name}~")]
        named[f"{folder.name}~{len(same) + 1}" if same else folder.name] = folder, sources
    return named
