"""The Dockerfile and the compose file of a new repository: of its own topology, with commands and files that exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.running import plain_environment
from router.cli.app import COMMANDS
from tests.cli.lines import Line


@pytest.fixture
def repository(line: Line, tmp_path: Path) -> Path:
    made = line("new", tmp_path / "acme", "--install", "git+https://git.example.com/you/event-router@v1")
    assert (made.status, made.err) == (0, "")
    assert "only this machine" not in made.out
    return tmp_path / "acme"


def services(repository: Path) -> dict[str, Any]:
    found = yaml.safe_load((repository / "docker-compose.yml").read_text("utf-8"))["services"]
    assert isinstance(found, dict)
    return found


def test_the_services_run_this_topology(repository: Path) -> None:
    found = services(repository)
    ours = {name: one["command"] for name, one in found.items() if one.get("build") == "."}

    assert set(ours) == {"topics", "gateway", "route", "deliver"}
    for command in ours.values():
        assert command[0] in COMMANDS
        assert (repository / command[-1]).is_file()
    assert found["topics"]["command"][1] == "apply"


def test_every_variable_of_the_topology_is_handed_over(repository: Path) -> None:
    topology = re.sub(r"#.*", "", (repository / "topologies/acme.yaml").read_text("utf-8"))
    names = set(re.findall(r"\$\{(\w+)", topology))

    assert names == {"WEB_WRITE_KEY", "CRM_PATH", "ARCHIVE_PATH"}
    assert names <= set(services(repository)["gateway"]["environment"])


def test_files_that_are_mounted_or_copied_are_there(repository: Path) -> None:
    mounted = [
        volume.split(":")[0]
        for one in services(repository).values()
        for volume in one.get("volumes", [])
        if volume.startswith("./")
    ]
    image = (repository / "Dockerfile").read_text("utf-8")
    copied = [word for words in re.findall(r"^COPY (?!--)(.*) \S+$", image, re.MULTILINE) for word in words.split()]

    assert len(mounted) == 3
    assert copied == ["requirements.txt", "*.whl", "topologies", "schemas"]
    assert [path for path in (*mounted, *copied) if "*" not in path and not (repository / path).exists()] == []
    let_in = (repository / ".dockerignore").read_text("utf-8").splitlines()
    assert let_in == ["*", *(f"!{path}" for path in copied)]
    (scraped,) = yaml.safe_load((repository / "ops/prometheus/compose.yml").read_text("utf-8"))["scrape_configs"]
    (addresses,) = scraped["dns_sd_configs"]
    assert {"gateway", "route", "deliver"} <= {*addresses["names"]} & {*services(repository)}


def test_the_image_installs_as_all_else_does(repository: Path) -> None:
    line = "event-router @ git+https://git.example.com/you/event-router@v1"

    assert (repository / "requirements.txt").read_text("utf-8").splitlines()[-1] == line
    for name in ("Dockerfile", "README.md", ".gitlab-ci.yml", ".github/workflows/events.yaml"):
        assert "pip install -r requirements.txt" in (repository / name).read_text("utf-8")


def test_compose_takes_the_file(repository: Path) -> None:
    if (compose := shutil.which("docker-compose")) is None:
        pytest.skip("docker-compose is not installed")
    done = subprocess.run(
        [compose, "-f", "docker-compose.yml", "config"], cwd=repository, env=plain_environment(PATH=os.environ["PATH"]),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) >= {"kafka", "topics", "gateway", "route", "deliver"}


def test_a_requirement_that_only_this_machine_has_is_said(line: Line, tmp_path: Path) -> None:
    made = line("new", tmp_path / "acme")

    assert "which only this machine has" in made.out
    assert f"ops/install --wheel {tmp_path / 'acme'}" in made.out
    refused = line("new", tmp_path / "other", "--install", "latest")
    assert (refused.status, (tmp_path / "other").exists()) == (2, False)
