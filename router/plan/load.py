"""Reads a plan's folder. Everything that is wrong in any file is reported at once, with its place."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from router.document import Document, json_pointer, nearest, parse, read_bytes
from router.errors import FileError, Problem
from router.plan.model import Plan
from router.plan.shape import TOP_FILES, duplicates, read_common, read_plan_file, read_rule
from router.plan.verify import verify

FOLDERS = ("events", "defs")


def load_plan(folder: Path) -> Plan:
    """The plan in a folder. Raises FileError with all problems of all its files."""
    files, problems = collect(folder)
    if problems:
        raise FileError(problems)
    return parse_plan(files, folder)


def collect(folder: Path) -> tuple[dict[str, bytes], list[Problem]]:
    """The plan's files by their path inside the folder (`events/home.yaml`), and what may not stand there.

    Other files at the top (a README) are left alone; nothing outside the folder is read.
    """
    if not folder.is_dir():
        got = "a file" if folder.exists() else "nothing"
        return {}, [Problem(str(folder), 0, 0, "", f"expected a tracking plan's folder, got {got}")]
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    for name, entry in sorted(_candidates(folder)):
        shown = str(folder / name)
        if problem := _misplaced(entry, name, folder):
            problems.append(Problem(shown, 0, 0, "", *problem))
        elif name.endswith(".yaml"):
            try:
                files[name] = read_bytes(entry.path, name=shown)
            except FileError as error:
                problems.extend(error.problems)
    if not files and not problems:
        expected = f"expected a tracking plan ({', '.join(TOP_FILES)} or events/*.yaml), got none of its files"
        problems.append(Problem(str(folder), 0, 0, "", expected))
    return files, problems


def _candidates(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Files at the top that look like a plan's, and all below events/ and defs/. Links to folders are not followed."""
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        with os.scandir(folder / prefix) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting += [f"{prefix}{entry.name}/"] if prefix or entry.name in FOLDERS else []
                elif prefix or entry.name in FOLDERS or entry.name.endswith((".yaml", ".yml")):
                    yield prefix + entry.name, entry


def _misplaced(entry: os.DirEntry[str], name: str, folder: Path) -> tuple[str, str] | None:
    """What is wrong with a file's being there, and a hint."""
    if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(folder.resolve()):
        return "expected a file inside the plan's folder, got a link that leads out of it", ""
    if not entry.is_file():
        return "expected a file, got something else (links to folders are not followed)", ""
    if "/" in name:
        if name.endswith((".yml", ".json")):
            return "expected a name that ends in .yaml, got another", Path(name).stem + ".yaml"
        return None
    if name not in TOP_FILES:
        return f"expected {', '.join(TOP_FILES)} or a file in events/ or defs/, got {name}", nearest(name, TOP_FILES)
    return None


def parse_plan(files: Mapping[str, bytes], folder: Path) -> Plan:
    """The plan that these files make. `folder` stands before their paths in problems. Raises FileError."""
    problems: list[Problem] = []
    documents: dict[str, Document] = {}
    for name, raw in sorted(files.items()):
        try:
            documents[name] = parse(raw, str(folder / name), show=json_pointer)
        except FileError as error:
            problems.extend(error.problems)
    plan = _assemble(documents, folder, _revision(files), problems)
    problems += duplicates(plan)
    problems += verify(plan)
    if problems:
        raise FileError(sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column)))
    return plan


def _assemble(documents: Mapping[str, Document], folder: Path, revision: str, problems: list[Problem]) -> Plan:
    rules, defs = [], {}
    for name, document in documents.items():
        if name.startswith("defs/"):
            defs[name] = document.data
        elif name.startswith("events/") or name in ("identify.yaml", "group.yaml"):
            rule = read_rule(name, document, problems)
            rules += [rule] if rule else []
    own = read_plan_file(documents["plan.yaml"], problems) if "plan.yaml" in documents else {}
    common = read_common(documents["common.yaml"], problems) if "common.yaml" in documents else {}
    own = {"name": folder.resolve().name, **own}
    where: dict[str, Any] = {"folder": folder, "revision": revision, "documents": documents}
    return Plan(rules=tuple(rules), common=common, defs=defs, **where, **own)


def _revision(files: Mapping[str, bytes]) -> str:
    digest = sha256()
    for name, raw in sorted(files.items()):
        digest.update(f"{name}\0{len(raw)}\0".encode())
        digest.update(raw)
    return digest.hexdigest()[:12]
