"""The topology of a command line: read with its env file and the shipped destination types, warnings shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from router.cli import report
from router.config.environment import environment
from router.config.loader import Loaded, load_topology
from router.config.options import RunOptions
from router.destinations.registry import destination_types
from router.errors import UsageError


def load(topologies: Sequence[Path], options: RunOptions) -> Loaded:
    """Raises FileError with all problems of all files."""
    loaded = load_topology(
        topologies,
        env=environment(options.env_file),
        registry=destination_types(),
        bootstrap=not options.embedded,
    )
    report.current().warn(loaded.warnings)
    return loaded


def require_broker(options: RunOptions) -> None:
    """For commands that cannot start a broker of their own. Raises UsageError when none is named."""
    if not options.bootstrap:
        raise UsageError("expected --bootstrap HOST:PORT,…: only `router up` can start an embedded broker")
