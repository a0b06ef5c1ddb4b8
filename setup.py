"""What pyproject.toml cannot say: the wheel carries files of ops/, and the native library, compiled here.

The files of ops/ become package data under router/operations; `router ops-files` and `router new` hand them out.

The library (router/native/*.c, see ops/decisions/0022-native.md) is compiled by the system's `cc`, or where that is
missing or fails by the C compiler in the wheel `ziglang`, which is then a requirement of the build alone. Without
either there is a line on stderr, and the router goes without. ROUTER_BUILD_NATIVE: `auto` (the default), `cc` (never
download a compiler) or `no`. The wheel keeps the tag `any`: where the library does not fit, it is left alone.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PATTERNS = (ROOT / "router/cli/operations.txt").read_text("utf-8").split()
SOURCES = sorted((ROOT / "router/native").glob("*.c"))
LIBRARY = runpy.run_path(str(ROOT / "router/native/library.py"))
COMPILER = "ziglang==0.17.1"
SECONDS = 300
# No instruction beyond those that every processor of the platform has: a wheel is taken along to other machines.
FLAGS = ("-std=c11", "-shared", "-fPIC")


def wanted() -> str:
    return os.environ.get("ROUTER_BUILD_NATIVE", "auto").strip().lower()


def compilers() -> Iterator[tuple[str, ...]]:
    """Commands to try, in this order."""
    if wanted() != "no" and shutil.which("cc"):
        yield ("cc",)
    if wanted() == "auto" and find_spec("ziglang"):
        yield (sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline")


def compile_library(target: Path, optimise: str = "-O3") -> str:
    """Compile into `target`; returns an empty string, or the reason why there is no library."""
    reason = "no C compiler"
    for compiler in compilers():
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, target.name)
            defined = f"-DROUTER_SOURCES={LIBRARY['sources_checksum'](SOURCES[0].parent)}u"
            command = [*compiler, *FLAGS, optimise, defined, "-o", str(made), *map(str, SOURCES)]
            caches = {"ZIG_LOCAL_CACHE_DIR": folder, "ZIG_GLOBAL_CACHE_DIR": folder}
            try:
                done = subprocess.run(  # noqa: S603  a compiler, and files of this checkout
                    command, env=os.environ | caches, capture_output=True, text=True, timeout=SECONDS, check=False
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                reason = f"{compiler[0]}: {error}"
                continue
            if done.returncode == 0:
                target.parent.mkdir(parents=True, exist_ok=True)
                # Moved into place: a process that has loaded the one before keeps that.
                fresh = target.with_suffix(".new")
                shutil.copy(made, fresh)
                fresh.replace(target)
                return ""
            said = done.stderr.strip().splitlines() or ["nothing said"]
            reason = f"{compiler[0]} ended with {done.returncode}: {said[0]}"
    return reason


def build_requirements() -> list[str]:
    """A compiler, for the machine that has none, or one that does not do. Builders ask by the command egg_info."""
    if wanted() != "auto" or "egg_info" not in sys.argv:
        return []
    with tempfile.TemporaryDirectory() as folder:
        return [COMPILER] if compile_library(Path(folder, "probe.so"), "-O0") else []


class BuildWithOperations(build_py):
    def operations(self) -> list[Path]:
        """Paths from the root. Raises FileNotFoundError where a pattern finds nothing: half a wheel is not made."""
        found = {pattern: sorted((ROOT / "ops").glob(pattern)) for pattern in PATTERNS}
        if empty := [pattern for pattern, paths in found.items() if not paths]:
            raise FileNotFoundError(f"expected files ops/{', ops/'.join(empty)}, got none")
        return [path.relative_to(ROOT) for paths in found.values() for path in paths]

    def run(self) -> None:
        super().run()
        self.build_native()
        if self.editable_mode:
            return
        for path in self.operations():
            target = Path(self.build_lib, "router/operations", path.relative_to("ops"))
            self.mkpath(str(target.parent))
            self.copy_file(str(ROOT / path), str(target))

    def build_native(self) -> None:
        """Of an editable installation, beside the sources: it is run from there."""
        folder = ROOT if self.editable_mode else Path(self.build_lib)
        target = folder / "router/native" / LIBRARY["library_name"]()
        reason = compile_library(target)
        if reason and wanted() != "no":
            sys.stderr.write(f"event-router: no native library, so it will be slower ({reason})\n")

    def get_source_files(self) -> list[str]:
        """With these in it, a source distribution can be built from as well."""
        sources = [str(path.relative_to(ROOT)) for path in SOURCES]
        return [*super().get_source_files(), *map(str, self.operations()), *sources]


setup(cmdclass={"build_py": BuildWithOperations}, setup_requires=build_requirements())
