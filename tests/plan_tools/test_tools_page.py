"""What schemas/TOOLS.md shows is true: its commands are there, and its CI jobs run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from router.cli.plan import diff as diff_command
from router.document import parse
from router.plan_tools.exporters import FORMATS
from tests.cli.lines import Line

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "schemas/TOOLS.md").read_text("utf-8")
BLOCKS: dict[str, Any] = {
    name: parse(text.encode(), name).data for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
}


def test_the_commands_are_there(line: Line) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    names = [words.split()[2] for words in block.splitlines()]

    assert names == ["import", "infer", "diff", "export", "types"]
    for name in names:
        assert line("plan", name, "--help").status == 0


def test_the_forms_of_an_export_are_listed() -> None:
    section = PAGE.partition("## Export")[2].partition("## ")[0]

    assert re.findall(r"^\| `([a-z]+)` \|", section, re.MULTILINE) == list(FORMATS)


def test_the_classes_of_a_diff_are_listed() -> None:
    section = PAGE.partition("## Diff")[2].partition("## ")[0]
    allowed = get_args(get_args(get_type_hints(diff_command.command, include_extras=True)["allow"])[0])

    assert re.findall(r"^\| `([a-z]+)` \|", section, re.MULTILINE) == list(reversed(allowed))


def commands(job: str) -> list[str]:
    """The lines of a CI job that run the router."""
    if job.startswith(".github"):
        steps = BLOCKS[job]["jobs"]["plans"]["steps"]
        lines = [step["run"] for step in steps if "run" in step]
    else:
        lines = BLOCKS[job]["plans"]["script"]
    assert lines[0] == "pip install -r requirements.txt"
    return lines[1:]


@pytest.mark.git
@pytest.mark.parametrize("job", [".github/workflows/plans.yaml", ".gitlab-ci.yml"])
def test_the_ci_jobs_run_and_fail_when_a_change_breaks(tmp_path: Path, job: str) -> None:
    def run(command: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        names = {"GITHUB_BASE_REF": "main", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
        env = {**os.environ, **names, "CI_MERGE_REQUEST_DIFF_BASE_SHA": "HEAD", "PATH": path}
        who = {f"GIT_{role}_{what}": "t@t.example" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = ("bash", "-euc", command)
        more: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 120, "check": False}
        return subprocess.run(done, cwd=tmp_path, env={**env, **who}, **more)

    shutil.copytree(ROOT / "schemas/shop", tmp_path / "schemas/shop")
    first = "git init -q && git add . && git commit -qm one && git update-ref refs/remotes/origin/main HEAD"
    assert run(first).returncode == 0
    for command in commands(job):
        done = run(command)
        assert done.returncode == 0, command + done.stdout + done.stderr

    (tmp_path / "schemas/shop/events/cart-viewed.yaml").unlink()

    assert [run(command).returncode for command in commands(job)] == [0, 0, 1]
