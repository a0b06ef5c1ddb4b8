"""The topology of a command line: read with its env file and the shipped destination types, warnings shown.

What reads it is imported when it is read: a command may have begun something by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from router.cli import report
from router.config.options import RunOptions
from router.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from router.config.loader import Loaded
    from router.config.source_files import SourceFiles
    from router.kafka.cluster import Cluster
    from router.process.reload import Reload

FOLDER = Path("topologies")


def load(topologies: Sequence[Path], options: RunOptions, *, plans: bool = False, secrets: bool = True) -> Loaded:
    """Raises FileError with all problems of all files; a missing secret is none for commands that use no `secrets`."""
    loaded = _files(topologies, options, plans=plans, secrets=secrets).load()
    report.current().warn(loaded.warnings)
    return loaded


def watch(topologies: Sequence[Path], options: RunOptions, *, plans: bool = True, secrets: bool = True) -> Reload[Any]:
    """The same, `active` in a Reload that can follow the files; only a process that validates needs `plans`."""
    from router.process.reload import Reload

    reload: Reload[Any] = Reload(_files(topologies, options, plans=plans, secrets=secrets), brief=options.supervised)
    report.current().warn(reload.active.warnings)
    return reload


def _files(topologies: Sequence[Path], options: RunOptions, *, plans: bool, secrets: bool = True) -> SourceFiles:
    from router.config.source_files import SourceFiles
    from router.destinations.registry import destination_types

    registry, env_file = destination_types(), options.env_file
    bootstrap = not options.embedded
    return SourceFiles(topologies, registry, env_file=env_file, bootstrap=bootstrap, plans=plans, secrets=secrets)


def require_broker(options: RunOptions) -> None:
    """For commands that cannot start a broker of their own. Raises UsageError when none is named."""
    if not options.bootstrap:
        raise UsageError("expected --bootstrap HOST:PORT,…: only `router up` can start an embedded broker")


def named_cluster(options: RunOptions) -> Cluster:
    """The cluster of a command that waits for none. Raises Unavailable at once where no broker takes a connection."""
    from router.kafka.cluster import Cluster
    from router.kafka.ready import unreachable

    why = unreachable(options.bootstrap)
    if why:
        raise Unavailable(f"no broker answers: {why}")
    return Cluster.of(options)


def only_topology() -> list[Path]:
    """Where the command line names none: the only topology file in topologies/. Raises UsageError."""
    found = sorted(path for path in FOLDER.glob("*.yaml") if not path.name.endswith(".test.yaml"))
    if len(found) != 1:
        raise UsageError(f"expected --topology TOPOLOGY: {FOLDER}/ has {len(found)} topology files, not one")
    return found
