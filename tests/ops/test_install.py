"""The wheel holds all that is needed: installed where there is no checkout, a team's first commands work.

And nothing that is printed or generated sends anybody to a package index for the router.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.running import ROOT, plain_environment
from router.cli.ops_files import operations

SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "router", "ops")
CASES = (
    ("new", "acme"),
    ("check", "acme/topologies", "acme/schemas/acme", "--no-env"),
    ("test", "acme/topologies"),
    ("receiver", "--help"),
    ("ops-files", "elsewhere"),
)


def ran(*command: str | Path, cwd: Path) -> str:
    """What it prints; fails the test where it fails."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=plain_environment(PYTHONPATH=""), capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_wheel_installed_without_the_checkout_does_all_a_team_begins_with(tmp_path: Path) -> None:
    source, empty = tmp_path / "source", tmp_path / "empty"
    ignored = shutil.ignore_patterns("__pycache__", "*.log", ".run")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            source.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    ran(*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", tmp_path, source, cwd=tmp_path)
    (wheel,) = tmp_path.glob("event_router-*.whl")
    shutil.rmtree(source)
    # Only the dependencies come from this environment: what .pth files there add does not count.
    builder = venv.EnvBuilder(with_pip=False, symlinks=True)
    builder.create(tmp_path / "venv")
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    ran(
        *pip,
        "--python",
        tmp_path / "venv/bin/python",
        "install",
        "--no-deps",
        "--no-compile",
        "--no-index",
        wheel,
        cwd=tmp_path,
    )
    empty.mkdir()

    ran(tmp_path / "venv/bin/router", *CASES[0], cwd=empty)
    rest = f"import sys; from router.cli import main; sys.exit(max(map(main, {CASES[1:]!r})))"
    ran(tmp_path / "venv/bin/python", "-c", rest, cwd=empty)

    assert (empty / "acme" / wheel.name).read_bytes() == wheel.read_bytes()
    assert (empty / "acme/requirements.txt").read_text("utf-8").splitlines()[-1] == f"./{wheel.name}"
    for folder in ("acme/ops", "elsewhere"):
        written = {str(path.relative_to(empty / folder)) for path in (empty / folder).rglob("*") if path.is_file()}
        assert written == set(operations())


def texts() -> Iterator[Path]:
    """Every file of the project that a user reads, or that writes one."""
    for pattern in ("*.md", "*.yml", "ops/**/*", "router/**/*", "schemas/**/*", "topologies/**/*"):
        yield from (path for path in ROOT.glob(pattern) if path.is_file() and "__pycache__" not in path.parts)


def test_nothing_expects_the_router_in_a_package_index() -> None:
    """An extra may be asked for: it is added to what is installed already."""
    asks = re.compile(rb"pip3? install (?:-\S+ )*[\"']?(?:event-router(?![\[\w]| @)|router\b)")

    found = [str(path.relative_to(ROOT)) for path in texts() if asks.search(path.read_bytes())]

    assert found == []
    assert asks.search(b"pip install event-router==1") is not None
    assert asks.search(b"pip install -U 'event-router'") is not None
    assert asks.search(b'pip install "event-router @ https://example.com"') is None


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [(["--whel", "x"], 2, "usage: ops/install [VENV]"), (["a", "b"], 2, "usage"), (["--wheel"], 2, "usage")],
)
def test_wrong_usage_of_the_installer_says_what_is_right(
    tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    done = subprocess.run([ROOT / "ops/install", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300)

    assert (done.returncode, said in done.stderr) == (status, True)
    assert list(tmp_path.iterdir()) == []


def test_the_installer_names_a_python_that_is_not_there(tmp_path: Path) -> None:
    environment = plain_environment(PYTHON="no-such-python")
    done = subprocess.run(
        [ROOT / "ops/install"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 3
    assert "expected Python 3.11 or newer with venv, got no-such-python" in done.stderr
