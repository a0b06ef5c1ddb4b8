"""`ops/setup` on machines that lack something, and on one where all is done: then it takes no time and no network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ops.running import ROOT

# Stands for an interpreter: what `-c` asks is answered by the file's words, `-m` is written down.
INTERPRETER = """\
#!/bin/bash
echo "$@" >>"{calls}"
case "$*" in
  *version_info*) exit {too_old} ;;
  *ensurepip*) exit {no_venv} ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  --version) echo "Python 3.9.18" ;;
  "-m pip config list") echo "{index}" ;;
  "-m pip install "*" uv=="*)
    {{ echo '#!/bin/sh'; echo 'echo "uv $*" >>{calls}; {uv}'; }} >"${{0%/*}}/uv"
    chmod +x "${{0%/*}}/uv" ;;
  "-m pip install "*) {install} ;;
esac
"""


class Machine:
    """A checkout with nothing but `ops/setup`, and one interpreter."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        (self.root / "ops").mkdir(parents=True)
        shutil.copy(ROOT / "ops" / "setup", self.root / "ops" / "setup")
        (self.root / "pyproject.toml").write_text("first")
        self.calls = folder / "calls"
        self.python = folder / "python"
        self.has_python()

    def has_python(
        self, *, too_old: bool = False, no_venv: bool = False, install: str = "true", uv: str = "true", index: str = ""
    ) -> None:
        values = {"too_old": int(too_old), "no_venv": int(no_venv), "install": install, "uv": uv, "index": index}
        self.calls.write_text("")
        self.python.write_text(INTERPRETER.format(calls=self.calls, **values))
        self.python.chmod(0o755)

    def setup(self, *arguments: str, python: str = "") -> subprocess.CompletedProcess[str]:
        self.calls.write_text("")
        environment = {"PATH": "/usr/bin:/bin", "PYTHON": python or str(self.python)}
        command = [str(self.root / "ops" / "setup"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)

    @property
    def installers(self) -> list[str]:
        """What installed the project, or tried: uv, pip."""
        lines = [line.split() for line in self.calls.read_text().splitlines()]
        return ["uv" if words[0] == "uv" else "pip" for words in lines if "--editable" in words]

    @property
    def installed(self) -> list[str]:
        return [line.split()[-1] for line in self.calls.read_text().splitlines() if "--editable" in line]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_installs_what_is_asked_for_once(machine: Machine) -> None:
    first = machine.setup("demo")
    assert first.returncode == 0, first.stderr
    assert machine.installed == [f"{machine.root}[demo]"]

    second = machine.setup("demo")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert machine.installed == []


@pytest.mark.parametrize(
    ("before", "after"), [("dev", "demo"), ("dev", "demo-console"), ("demo-console", "demo"), ("demo", "demo")]
)
def test_what_was_installed_is_enough_for_less(machine: Machine, before: str, after: str) -> None:
    assert machine.setup(before).returncode == 0
    assert machine.installed == [f"{machine.root}[{before}]"]

    assert machine.setup(after).returncode == 0
    assert machine.installed == []


@pytest.mark.parametrize(("before", "after"), [("demo", "demo-console"), ("demo", "dev"), ("demo-console", "dev")])
def test_what_was_installed_is_not_enough_for_more(machine: Machine, before: str, after: str) -> None:
    assert machine.setup(before).returncode == 0

    assert machine.setup(after).returncode == 0
    assert machine.installed == [f"{machine.root}[{after}]"]


def test_it_installs_again_when_the_dependencies_have_changed(machine: Machine) -> None:
    machine.setup("dev")
    (machine.root / "pyproject.toml").write_text("second")

    assert machine.setup("dev").returncode == 0
    assert machine.installed == [f"{machine.root}[dev]"]


def test_uv_installs_and_pip_where_it_cannot(machine: Machine) -> None:
    assert machine.setup("demo").returncode == 0
    assert machine.installers == ["uv"]

    shutil.rmtree(machine.root / ".venv")
    machine.has_python(uv="exit 1")
    assert machine.setup("demo").returncode == 0
    assert machine.installers == ["uv", "pip"]


def test_an_index_that_pip_is_told_of_is_used(machine: Machine) -> None:
    machine.has_python(index="global.index-url='https://packages.example/simple'")

    assert machine.setup("demo").returncode == 0
    assert machine.installers == ["pip"]


def test_a_failed_installation_is_told_and_tried_again(machine: Machine) -> None:
    machine.has_python(install="{ echo no such package; exit 1; }", uv="exit 1")
    failed = machine.setup("demo")
    assert failed.returncode == 1
    assert "no such package" in failed.stderr

    shutil.rmtree(machine.root / ".venv")
    machine.has_python()
    assert machine.setup("demo").returncode == 0
    assert machine.installed == [f"{machine.root}[demo]"]


def test_a_python_that_is_too_old_is_named_with_what_to_do(machine: Machine) -> None:
    machine.has_python(too_old=True)

    ran = machine.setup("demo")

    assert ran.returncode == 3
    assert "expected Python 3.11 or newer" in ran.stderr
    assert "apt-get install" in ran.stderr
    assert not (machine.root / ".venv").exists()


def test_no_python_at_all_is_the_same(machine: Machine) -> None:
    ran = machine.setup("demo", python="no-such-python")

    assert ran.returncode == 3
    assert "expected Python 3.11 or newer" in ran.stderr


def test_a_python_without_venv_is_told_what_is_missing(machine: Machine) -> None:
    machine.has_python(no_venv=True)

    ran = machine.setup("demo")

    assert ran.returncode == 3
    assert "python3-venv" in ran.stderr


def test_wrong_usage_is_status_2(machine: Machine) -> None:
    ran = machine.setup("everything")

    assert ran.returncode == 2
    assert "usage: ops/setup" in ran.stderr
