"""The files that a running process has its topology from, so that they can be watched and read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from router.config.environment import environment
from router.config.inputs import Inputs
from router.config.loader import Loaded, load_topology
from router.destinations.base import Connector


class SourceFiles:
    """Topology files and an env file; `bootstrap`, `plans` and `secrets` as for `load_topology`.

    An env file that is a pipe can be read only once: its values are kept.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        registry: Mapping[str, type[Connector]],
        *,
        env_file: Path | None = None,
        bootstrap: bool = False,
        plans: bool = True,
        secrets: bool = True,
    ) -> None:
        self._paths = tuple(paths)
        self._registry = registry
        self._env_file = env_file
        self._bootstrap = bootstrap
        self._plans = plans
        self._secrets = secrets
        self._env: dict[str, str] | None = None
        self.inputs = Inputs()

    def load(self) -> Loaded:
        """Read each file once; `inputs` are then those that were read. Raises FileError with all problems of all files,
        named as they were given.
        """
        self.inputs = inputs = Inputs()
        for path in self._paths:
            inputs.file(path)
        env = self._environment(inputs)
        return load_topology(
            self._paths, env=env, registry=self._registry, bootstrap=self._bootstrap, plans=self._plans,
            secrets=self._secrets, inputs=inputs,
        )  # fmt: skip

    def _environment(self, inputs: Inputs) -> dict[str, str]:
        if self._env_file is None:
            return environment()
        if self._env is not None:
            return self._env
        inputs.file(self._env_file)
        found = environment(self._env_file)
        if not self._env_file.is_file():
            self._env = found
        return found
