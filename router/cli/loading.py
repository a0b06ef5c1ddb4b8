"""The topology of a command line: read with its env file and the shipped destination types, warnings shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from router.cli import report
from router.config.loader import Loaded
from router.config.options import RunOptions
from router.config.origin import Origin
from router.destinations.registry import destination_types
from router.errors import UsageError
from router.process.reload import Reload


def load(topologies: Sequence[Path], options: RunOptions) -> Loaded:
    """Raises FileError with all problems of all files."""
    loaded = _origin(topologies, options).load()
    report.current().warn(loaded.warnings)
    return loaded


def watch(topologies: Sequence[Path], options: RunOptions) -> Reload[Any]:
    """The same, `active` in a Reload that can follow the files. Raises FileError."""
    reload: Reload[Any] = Reload(_origin(topologies, options), brief=options.supervised)
    report.current().warn(reload.active.warnings)
    return reload


def _origin(topologies: Sequence[Path], options: RunOptions) -> Origin:
    registry = destination_types()
    return Origin(topologies, registry, env_file=options.env_file, bootstrap=not options.embedded)


def require_broker(options: RunOptions) -> None:
    """For commands that cannot start a broker of their own. Raises UsageError when none is named."""
    if not options.bootstrap:
        raise UsageError("expected --bootstrap HOST:PORT,…: only `router up` can start an embedded broker")
