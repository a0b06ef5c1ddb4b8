"""Debian's chromium and packages of npm. In CI both must be there."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
)


def found() -> str:
    """The browser; without it the test that asks is skipped."""
    return _command("chromium")


def npm_package(spec: str, folder: Path) -> Path:
    """The folder of a package, such as `name@1.2.3`, as the registry has it and without what it depends on."""
    done = subprocess.run(
        [_command("npm"), "pack", "--silent", "--pack-destination", folder, spec],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    with tarfile.open(folder / done.stdout.strip()) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def _command(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return path
