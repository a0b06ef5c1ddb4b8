"""ARCHITECTURE.md and CONTRIBUTING.md name files that are there, and all rooms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_PATH = re.compile(r"`((?:router|tests|ops|topologies|schemas)(?:/[\w.-]+)+|[\w-]+\.(?:py|md|toml))`")
_PATTERN = re.compile(r"[<>*]|NNNN")


def named(document: str) -> list[tuple[str, str]]:
    """Every path that the document names, with its line: a bare file name is beside the last path before it."""
    found, folder = [], Path()
    for number, line in enumerate((ROOT / document).read_text("utf-8").splitlines(), 1):
        for path in _PATH.findall(line):
            if _PATTERN.search(path):
                continue
            if "/" in path:
                folder = Path(path).parent
            elif not (ROOT / path).exists():
                path = str(folder / path)
            found.append((path, f"{document}:{number}"))
    return found


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_file_that_is_named_exists(document: str) -> None:
    paths = named(document)

    assert len(paths) >= 5
    assert [place + " " + path for path, place in paths if not (ROOT / path).exists()] == []


def test_every_room_has_its_phrase() -> None:
    rooms = {path.name for path in (ROOT / "router").iterdir() if (path / "__init__.py").exists()}
    told = re.findall(r"^\| `router/(\w+)[\w/]*` \|", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.MULTILINE)

    assert set(told) == rooms


def test_a_newcomer_follows_an_event_in_at_most_25_files() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    walk = text[text.index("### An event") : text.index("### A request")]

    assert 10 <= len(set(re.findall(r"[\w/]+\.py", walk))) <= 25
