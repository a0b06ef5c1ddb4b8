"""What fuzz runs of the native library share: their options, and a build with sanitizers (ASan and UBSan)."""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from router.native import library

Found = Callable[[ctypes.CDLL, int, int], int]
"""Tries the library with so many inputs of a seed, and tells what it found; the status to end with."""


def fuzzed(module: str, about: str | None, inputs: int, found: Found) -> int:
    """The command line of a fuzz run, `about` its help: --inputs, --seed, --sanitize, --library. Returns its status."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=inputs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sanitize", action="store_true", help="find what the C does that it must not")
    parser.add_argument("--library", type=Path, help="folder of another build, with the sources that it is made of")
    chosen = parser.parse_args()
    if chosen.sanitize:
        return _sanitized(module, ["--inputs", str(chosen.inputs), "--seed", str(chosen.seed)])
    if chosen.library:
        library.HERE = chosen.library
    if (native := library.native()).library is None:
        print(f"the native library is {native}", file=sys.stderr)
        return 1
    return found(native.library, chosen.inputs, chosen.seed)


def _sanitized(module: str, arguments: list[str]) -> int:
    """Run the module with `--library FOLDER`, a build with sanitizers, in a process that ends with their first finding.

    Returns its status; 0, with a line that says why, where the machine cannot build it.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        print("not run: no C compiler")
        return 0
    runtime = _runtime(compiler, "libasan.so")
    if runtime is None or _runtime(compiler, "libubsan.so") is None:
        print(f"not run: {compiler} has no sanitizers")
        return 0
    sources = sorted(library.HERE.glob("*.c"))
    with tempfile.TemporaryDirectory() as folder:
        for file in library.HERE.glob("*.[ch]"):  # beside the library, which is not used with other sources
            shutil.copy(file, folder)
        made = Path(folder, library.library_name())
        flags = ["-std=c11", "-shared", "-fPIC", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover"]
        defined = f"-DROUTER_SOURCES={library.sources_checksum()}u"
        command = [compiler, *flags, defined, "-o", str(made), *map(str, sources)]
        subprocess.run(command, check=True)
        environment = os.environ | {"LD_PRELOAD": str(runtime), "ASAN_OPTIONS": "detect_leaks=0"}
        again = [sys.executable, "-m", module, "--library", folder, *arguments]
        return subprocess.run(again, env=environment, check=False).returncode


def _runtime(compiler: str, name: str) -> Path | None:
    """A library of the compiler's, where it is installed."""
    asked = [compiler, f"-print-file-name={name}"]
    found = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    return found if found.is_absolute() and found.is_file() else None
