"""Where a running process has its topology from, so that it can be read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from router.config.environment import environment
from router.config.inputs import Inputs, inputs_of
from router.config.loader import Loaded, load_topology
from router.destinations.base import Connector
from router.errors import FileError


class Origin:
    """Topology files and an env file; `bootstrap` as for `load_topology`.

    An env file that is a pipe can be read only once: what it said stays.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        registry: Mapping[str, type[Connector]],
        *,
        env_file: Path | None = None,
        bootstrap: bool = False,
    ) -> None:
        self.paths = tuple(path.absolute() for path in paths)
        self._given = tuple(paths)
        self._registry = registry
        self._env_file = env_file
        self._bootstrap = bootstrap
        self._env: dict[str, str] | None = None

    def load(self) -> Loaded:
        """Raises FileError with all problems of all files, named as they were given."""
        return load_topology(self._given, env=self._environment(), registry=self._registry, bootstrap=self._bootstrap)

    def inputs(self) -> Inputs:
        """What the topology is made of now. Total."""
        try:
            env = self._environment()
        except FileError:  # `load` tells
            env = environment()
        return inputs_of(self.paths, env, self._env_file)

    def _environment(self) -> dict[str, str]:
        if self._env is not None:
            return self._env
        found = environment(self._env_file)
        if self._env_file is not None and not self._env_file.is_file():
            self._env = found
        return found
