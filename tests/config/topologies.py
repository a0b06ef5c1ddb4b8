"""Topology files for a test: written from text, loaded against a small registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent

from pydantic import Field

from router.config.loader import Loaded, load_topology
from router.config.types import Duration, Secret
from router.destinations.base import Connector, Delivery, Outcome, RequestLimits, Settings
from router.errors import FileError


class PipeSettings(Settings):
    port: int = 1
    secure: bool = False
    token: Secret | None = None
    path: Path | None = None
    linger: Duration = Field("1s", validate_default=True)


class Pipe(Connector):
    """A destination type with a setting of each kind."""

    type = "pipe"
    summary = "For tests"
    limits = RequestLimits(count=10)
    Settings = PipeSettings

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        raise NotImplementedError


REGISTRY: dict[str, type[Connector]] = {"pipe": Pipe}


def write(folder: Path, name: str, text: str) -> Path:
    """A file below the folder, its text without common indentation."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), "utf-8")
    return path


def load(
    *paths: Path, env: Mapping[str, str] | None = None, placeholders: bool = False, bootstrap: bool = False
) -> Loaded:
    """Load files with no environment but what is given."""
    return load_topology(paths, env=env or {}, registry=REGISTRY, placeholders=placeholders, bootstrap=bootstrap)


def problems(*paths: Path, env: Mapping[str, str] | None = None, placeholders: bool = False) -> list[str]:
    """What is wrong with the files, one line each, without the folder's name; an empty list where nothing is."""
    try:
        load(*paths, env=env, placeholders=placeholders)
    except FileError as error:
        return [str(problem).replace(f"{paths[0].parent}/", "") for problem in error.problems]
    return []
