"""The line by which pip finds this very router again: in the requirements.txt of a team's repository.

Nothing is assumed about package indexes: a distribution remembers where it was installed from (PEP 610).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from router import __version__
from router.errors import UsageError

NAME = "event-router"
_ROOT = Path(__file__).parents[3]


class Requirement(NamedTuple):
    """A line for pip; whether only this machine can follow it; the wheel that it takes from the repository's folder."""

    line: str
    local: bool = False
    wheel: Path | None = None


def given(text: str) -> Requirement:
    """From a URL, a path of a wheel or a whole line for pip. Raises UsageError for anything else."""
    words = text.strip()
    if words.startswith(NAME):
        return _line(words)
    if (path := Path(words)).suffix == ".whl" and path.is_file():
        return _wheel(path)
    if "://" not in words:
        example = f"git+https://git.example.com/you/event-router@v{__version__}"
        raise UsageError(f"expected a URL such as {example}, or the path of a wheel, got {text}")
    return _line(f"{NAME} @ {words}")


def installed() -> Requirement:
    """How the router that runs was installed: from a URL, from a folder or file of this machine, or from an index."""
    if (_ROOT / "pyproject.toml").is_file():  # a checkout, whatever builds have left beside it
        return Requirement(f"{NAME} @ {_ROOT.as_uri()}", local=True)
    found = distribution(NAME)
    recorded = found.read_text("direct_url.json")
    return direct(json.loads(recorded)) if recorded else Requirement(f"{NAME}=={found.version}")


def direct(recorded: Mapping[str, Any]) -> Requirement:
    """From what a direct_url.json holds."""
    url: str = recorded["url"]
    if version := recorded.get("vcs_info"):
        url = f"{version['vcs']}+{url}@{version['commit_id']}"
    if folder := recorded.get("subdirectory"):
        url = f"{url}#subdirectory={folder}"
    return _line(f"{NAME} @ {url}")


def _line(line: str) -> Requirement:
    _, _, address = line.partition("file://")
    path = Path(unquote(address.partition("#")[0]))
    if address and path.suffix == ".whl" and path.is_file():
        return _wheel(path)
    return Requirement(line, local=bool(address))


def _wheel(path: Path) -> Requirement:
    return Requirement(f"./{path.name}", wheel=path)


def copied(requirement: Requirement, folder: Path) -> list[Path]:
    """The wheel in a repository's folder, where the requirement is one of this machine's."""
    if requirement.wheel is None:
        return []
    target = folder / requirement.wheel.name
    if not (target.exists() and target.samefile(requirement.wheel)):
        shutil.copyfile(requirement.wheel, target)
    return [target]
