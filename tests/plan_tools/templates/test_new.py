"""`router new` makes a repository whose checks pass, whose CI says what it should, and whose README is true."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.kafka.kraft import free_port
from ops.running import ROOT, plain_environment
from router.plan_tools.templates import library
from tests.cli.lines import Line
from tests.plan_tools.templates.published import CALLS

DEADLINE_SECONDS = 120.0
TEMPLATES = [name for name in library().templates if not name.startswith("use-case/")]
CASES = ["use-case/nurture-with-content", "use-case/accelerate-onboarding"]


def shell(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script as a user or a CI job runs it, with the `router` command of this environment."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=plain_environment(PATH=path, **environment),
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("names", [[], *([name] for name in (*TEMPLATES, *CASES)), ["b2b-saas", "email", "mobile"]])
def test_a_new_repository_passes_its_checks(line: Line, tmp_path: Path, names: list[str]) -> None:
    folder = tmp_path / "acme"
    chosen = [word for name in names for word in ("--template", name)]

    made = line("new", folder, *chosen)

    assert (made.status, made.err) == (0, "")
    topologies, plan = folder / "topologies", folder / "schemas/acme"
    checked = line("check", topologies, plan, "--no-env")
    assert (checked.status, checked.err) == (0, "")
    tested = line("test", topologies)
    assert (tested.status, tested.out.splitlines()[-1]) == (0, "4 passed, 0 failed")
    assert line("plan", "lint", plan, "--strict").status == 0
    assert line("plan", "test", plan).status == 0


def test_the_tests_of_a_new_repository_can_fail(line: Line, tmp_path: Path) -> None:
    """Two of the four cases fail once the plan is enforced, and all of them where the CRM gets only groups."""
    line("new", tmp_path / "acme")
    topology = tmp_path / "acme/topologies/acme.yaml"
    text = topology.read_text("utf-8")
    topology.write_text(text.replace("report_only: true", "report_only: false"))

    assert line("test", tmp_path / "acme/topologies").out.endswith("2 passed, 2 failed\n")

    topology.write_text(text.replace("# types: [identify, track]", "types: [group]"))
    assert line("test", tmp_path / "acme/topologies").out.endswith("0 passed, 4 failed\n")


@pytest.fixture
def repository(line: Line, tmp_path: Path) -> Path:
    """A new repository under git, as a pull request against its first commit sees it."""
    folder = tmp_path / "acme"
    assert line("new", folder).status == 0
    identity = "git config user.email a@example.com && git config user.name a"
    made = shell(f"git init -q && {identity} && git add . && git commit -qm first", folder)
    assert made.returncode == 0, made.stderr
    shell("git update-ref refs/remotes/origin/main HEAD", folder)
    return folder


def commands(repository: Path, host: str) -> list[str]:
    """The commands of a CI file, in order, but for the installation."""
    if host == "github":
        jobs = yaml.safe_load((repository / ".github/workflows/events.yaml").read_text("utf-8"))["jobs"]
        found = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    else:
        jobs = yaml.safe_load((repository / ".gitlab-ci.yml").read_text("utf-8"))
        found = [*jobs["default"]["before_script"], *jobs["check"]["script"], *jobs["plan-diff"]["script"]]
    assert found[0] == "pip install -r requirements.txt"
    return found[1:]


def variables(repository: Path) -> dict[str, str]:
    base = shell("git rev-parse origin/main", repository).stdout.strip()
    summary = str(repository.parent / "summary.md")
    return {"GITHUB_BASE_REF": "main", "GITHUB_STEP_SUMMARY": summary, "CI_MERGE_REQUEST_DIFF_BASE_SHA": base}


def test_the_ci_job_passes_as_it_stands(repository: Path) -> None:
    script = commands(repository, "github")

    ran = shell("\n".join(script), repository, **variables(repository))

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(script) == 5
    assert commands(repository, "gitlab")[:4] == script[:4]


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_the_ci_job_fails_with_a_change_that_breaks_senders(line: Line, repository: Path, host: str) -> None:
    rule = repository / "schemas/acme/events/signed-up.yaml"
    rule.write_text(rule.read_text("utf-8").replace("type: object\n", "type: object\n  required: [username]\n", 1))

    compared = shell(commands(repository, host)[-1], repository, **variables(repository))

    assert line("plan", "lint", repository / "schemas/acme").status == 0
    assert compared.returncode == 1
    summary = Path(variables(repository)["GITHUB_STEP_SUMMARY"])
    assert "username" in (summary.read_text("utf-8") if host == "github" else compared.stdout)


def test_nothing_secret_or_written_at_run_time_is_committed(repository: Path) -> None:
    made = "cp .env.example .env && mkdir -p .run/crm .venv && touch .run/crm/x .venv/x && git status --porcelain"

    assert shell(made, repository).stdout == ""


class Terminal:
    """`router up` of the README's block, on ports that are free here."""

    def __init__(self, folder: Path, block: str) -> None:
        self.ports = {"8080": str(free_port()), "9464": str(free_port())}
        self.environment = {
            "ROUTER_GATEWAY": f"127.0.0.1:{self.ports['8080']}",
            "ROUTER_METRICS": f"127.0.0.1:{self.ports['9464']}",
        }
        self.log = folder.parent / "up.log"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with self.log.open("wb") as stream:
            self.child = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", block], cwd=folder,
                env=plain_environment(PATH=path, **self.environment), stdin=subprocess.DEVNULL, stdout=stream,
                stderr=stream, start_new_session=True,
            )  # fmt: skip

    def run(self, block: str, folder: Path) -> str:
        for port, free in self.ports.items():
            block = re.sub(rf"\b{port}\b", free, block)
        ran = shell(block, folder, **self.environment)
        assert ran.returncode == 0, ran.stdout + ran.stderr + self.log.read_text(errors="replace")[-2000:]
        return ran.stdout


@pytest.fixture
def terminal(repository: Path) -> Iterator[Terminal]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    terminal = Terminal(repository, blocks(repository)[2])
    yield terminal
    if terminal.child.poll() is None:
        os.killpg(terminal.child.pid, signal.SIGKILL)
    terminal.child.wait()


def blocks(repository: Path) -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```$", (repository / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


def until(found: Callable[[], Any], terminal: Terminal) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not found():
        assert time.monotonic() < end, terminal.log.read_text(errors="replace")[-2000:]
        time.sleep(0.2)


def test_the_readme_does_what_it_says(repository: Path, terminal: Terminal) -> None:
    install, checks, up, good, broken, look = blocks(repository)
    assert install.strip() == "pip install -r requirements.txt"
    assert up.splitlines()[-1] == "router up topologies/acme.yaml --env-file .env"
    until(lambda: "all processes are ready" in terminal.log.read_text(errors="replace"), terminal)

    checked = terminal.run(checks, repository)
    terminal.run(good, repository)
    terminal.run(broken, repository)
    files = repository / ".run"
    until(lambda: any("m-1" in path.read_text() for path in files.rglob("crm-*")), terminal)
    until(lambda: any("m-1" in path.read_text() for path in files.rglob("archive-*")), terminal)
    until(lambda: any("m-2" in path.read_text() for path in files.rglob("archive-*")), terminal)
    counted = re.compile(r"^events +2 +0 +0 +0 +2 ", re.MULTILINE)
    until(lambda: counted.search(terminal.run("router status", repository)), terminal)
    shown = terminal.run(look, repository)

    assert "0 failed" in checked
    assert '"m-1"' in shown
    assert '"m-2"' in shown
    os.killpg(terminal.child.pid, signal.SIGINT)
    assert terminal.child.wait(DEADLINE_SECONDS) == 0


def test_a_newcomer_s_first_calls_reach_the_partner_whole(repository: Path, terminal: Terminal) -> None:
    until(lambda: "all processes are ready" in terminal.log.read_text(errors="replace"), terminal)

    for number, call in enumerate(CALLS):
        post(f"http://127.0.0.1:{terminal.ports['8080']}/v1/{call['type']}", call | {"messageId": f"call-{number}"})

    for destination in ("crm", "archive"):
        until(partial(has_all, repository, destination), terminal)
        got = delivered(repository, destination)
        for number, call in enumerate(CALLS):
            assert call.items() <= got[f"call-{number}"].items()


def has_all(repository: Path, destination: str) -> bool:
    return len(delivered(repository, destination)) == len(CALLS)


def delivered(repository: Path, destination: str) -> dict[str, dict[str, Any]]:
    """The events in a file destination's whole lines, by their ids."""
    texts = (path.read_text("utf-8") for path in (repository / ".run").rglob(f"{destination}-*.ndjson*"))
    events = (json.loads(text) for content in texts for text in content.splitlines(keepends=True) if text[-1] == "\n")
    return {event["messageId"]: event for event in events}


def post(url: str, call: dict[str, Any]) -> None:
    body = {key: value for key, value in call.items() if key != "type"}
    key = base64.b64encode(b"web-dev-key:").decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {key}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
        assert answer.status == 200


def test_every_file_that_the_readme_names_is_there(repository: Path) -> None:
    table = [text for text in (repository / "README.md").read_text("utf-8").splitlines() if text.startswith("| `")]
    named = [name for text in table for name in re.findall(r"`([^`]+)`", text)]

    assert len(named) == 10
    assert [name for name in named if not (repository / name).exists()] == []


def test_a_folder_that_is_not_empty_is_left_alone_without_force(line: Line, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")

    refused = line("new", tmp_path, "--name", "acme")
    assert refused.status == 1
    assert refused.err == (
        f"{tmp_path}: (root): expected an empty folder, got one with README.md, notes.txt "
        "(--force writes into it, over files of the same names)\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "notes.txt"]

    assert line("new", tmp_path, "--name", "acme", "--force").status == 0
    assert (tmp_path / "README.md").read_text("utf-8").startswith("# acme\n")
    assert (tmp_path / "notes.txt").read_text("utf-8") == "mine"
    assert line("new", tmp_path, "--name", "acme", "--force", "--template", "video").status == 0
    assert not (tmp_path / "schemas/acme/events/signed-up.yaml").exists()


def test_a_fresh_git_repository_is_an_empty_folder(line: Line, tmp_path: Path) -> None:
    shell("git init -q acme", tmp_path)

    assert line("new", tmp_path / "acme").status == 0


@pytest.mark.parametrize(
    ("folder", "arguments", "name"),
    [("Acme Shop", [], "acme-shop"), ("x", ["--name", "acme"], "acme"), ("a.b_c", [], "a-b-c")],
)
def test_the_name_is_given_or_the_folder_s(
    line: Line, tmp_path: Path, folder: str, arguments: list[str], name: str
) -> None:
    answer = line("new", tmp_path / folder, *arguments, "--json").answer

    assert answer["name"] == name
    assert (answer["repository"], answer["templates"]) == (str(tmp_path / folder), ["starter"])
    there = sorted(
        str(path.relative_to(tmp_path / folder)) for path in (tmp_path / folder).rglob("*") if path.is_file()
    )
    assert answer["files"] == there
    assert f"topologies/{name}.test.yaml" in there
    assert line("test", tmp_path / folder / "topologies").status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["{dir}", "--name", "Acme_1"], 2, "expected a name of lower-case letters, digits and hyphens"),
        (["{dir}/123"], 2, "begins with a letter, got 123; give one with --name"),
        (["{dir}/x", "--template", "ecomerce"], 2, "got ecomerce (did you mean ecommerce?)"),
        (["{dir}/file"], 1, "expected a folder, got a file"),
        ([], 2, "expected the folder to write, got none"),
    ],
)
def test_bad_input_is_told_and_writes_nothing(
    line: Line, tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    (tmp_path / "file").write_text("mine")

    ended = line("new", *(text.replace("{dir}", str(tmp_path)) for text in arguments))

    assert ended.status == status
    assert said in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_all_data_files_are_part_of_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["router"]
    packaged = {path for pattern in patterns for path in (ROOT / "router").glob(pattern)}
    needed = {
        path
        for folder in ("router/plan_tools/templates/data", "router/cli/repository/files")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }

    assert len(needed) > 20
    assert needed - packaged == set()
