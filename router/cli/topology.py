"""Topology files as a command reads them: with the environment, all destination types, warnings on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from router.cli import report
from router.config.environment import environment
from router.config.loader import Loaded, load_topology
from router.config.options import RunOptions
from router.destinations.registry import destination_types


def load(paths: Sequence[Path], options: RunOptions) -> Loaded:
    """The topology to run. Raises FileError with all problems."""
    loaded = load_topology(
        paths, env=environment(options.env_file), registry=destination_types(), bootstrap=not options.embedded
    )
    report.current().warn(loaded.warnings)
    return loaded
