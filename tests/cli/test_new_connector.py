"""`router new --connector`: a connector and its test in a project, which keep the contract as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.lines import Line
from tests.config.topologies import write

TOPOLOGY = """\
name: t
sources: {web: {}}
destinations: {acme: {type: "connectors.acme_mail:AcmeMail", settings: {api_key: key}}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, as the current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_the_new_connector_passes_its_test_and_the_contract(line: Line, project: Path) -> None:
    ended = line("new", "--connector", "acme-mail")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "connectors"]
    tested = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)

    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines()[-1].endswith("in a topology, type: connectors.acme_mail:AcmeMail")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert int(tested.stdout.split(" passed")[0].split()[-1]) >= 30


def test_a_topology_names_it_and_files_that_are_there_stay(line: Line, project: Path) -> None:
    first = line("new", project, "--connector", "acme-mail", "--json")
    own = project / "connectors" / "acme_mail.py"
    text = own.read_text()
    again = line("new", "--connector", "acme-mail")
    second = line("new", "--connector", "other")

    assert first.answer["connector"] == "connectors.acme_mail:AcmeMail"
    assert sorted(first.answer["files"])[1] == "connectors/acme_mail.py"
    assert (again.status, own.read_text()) == (1, text)
    assert "connectors/acme_mail.py: (root): expected no file, got one" in again.err
    assert (second.status, "__init__" in second.out) == (0, False)
    assert line("check", write(project, "t.yaml", TOPOLOGY)).status == 0


@pytest.mark.parametrize("name", ["Acme", "acme--mail", "acme-", "class", "a b", "9"])
def test_a_name_that_makes_no_module_is_refused(line: Line, project: Path, name: str) -> None:
    ended = line("new", "--connector", name)

    assert ended.status == 2
    assert f"expected a name such as acme or acme-mail, got {name}" in ended.err
    assert not list(project.iterdir())


def test_a_repository_needs_a_folder(line: Line, project: Path) -> None:
    ended = line("new")

    assert (ended.status, "expected the folder to write" in ended.err) == (2, True)
