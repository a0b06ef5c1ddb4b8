"""The official JSON-Schema-Test-Suite, from the source distribution of `jsonschema`, kept in .cache/."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pytest

VERSION = version("jsonschema")
CACHE = Path(__file__).parent.parent.parent / ".cache/json-schema-test-suite" / VERSION
REMOTES = "http://localhost:1234/"


class Case(NamedTuple):
    """One instance of one schema of the suite."""

    file: str
    schema: Any
    data: Any
    valid: bool
    title: str


def folder() -> Path:
    """The suite, fetched once through pip. Without a network the test is skipped, but in CI it fails."""
    if not (CACHE / "json/tests").is_dir():
        try:
            _fetch()
        except (subprocess.SubprocessError, OSError) as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"the suite cannot be fetched: {error}")
    return CACHE / "json"


def _fetch() -> None:
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as name:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*command, "--dest", name, f"jsonschema=={VERSION}"], check=True, timeout=300)
        (archive,) = Path(name).glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(name, filter="data")
        unpacked = Path(name) / f"jsonschema-{VERSION}"
        if not CACHE.exists():
            unpacked.rename(CACHE)


def cases(draft: str) -> Iterator[Case]:
    """Every case of a draft (`draft7`, `draft2020-12`), the optional ones and the formats included."""
    root = folder() / "tests" / draft
    for path in sorted(root.rglob("*.json")):
        for group in json.loads(path.read_text("utf-8")):
            for test in group["tests"]:
                name = path.relative_to(root).as_posix()
                title = f"{name}: {group['description']}: {test['description']}"
                yield Case(name, group["schema"], test["data"], test["valid"], title)


def remotes() -> dict[str, Any]:
    """The documents that schemas of the suite refer to, by URI."""
    root = folder() / "remotes"
    return {REMOTES + path.relative_to(root).as_posix(): json.loads(path.read_text()) for path in root.rglob("*.json")}
