"""What pyproject.toml cannot say: the wheel carries those files of ops/ that people who run the router need.

They become package data under router/operations; `router ops-files` and `router new` hand them out.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PATTERNS = (ROOT / "router/cli/operations.txt").read_text("utf-8").split()


class BuildWithOperations(build_py):
    def operations(self) -> list[Path]:
        """Paths from the root. Raises FileNotFoundError where a pattern finds nothing: half a wheel is not made."""
        found = {pattern: sorted((ROOT / "ops").glob(pattern)) for pattern in PATTERNS}
        if empty := [pattern for pattern, paths in found.items() if not paths]:
            raise FileNotFoundError(f"expected files ops/{', ops/'.join(empty)}, got none")
        return [path.relative_to(ROOT) for paths in found.values() for path in paths]

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path in self.operations():
            target = Path(self.build_lib, "router/operations", path.relative_to("ops"))
            self.mkpath(str(target.parent))
            self.copy_file(str(ROOT / path), str(target))

    def get_source_files(self) -> list[str]:
        """With these in it, a source distribution can be built from as well."""
        return [*super().get_source_files(), *map(str, self.operations())]


setup(cmdclass={"build_py": BuildWithOperations})
