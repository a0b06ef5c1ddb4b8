from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.brokers import choice, container

ROOT = Path(__file__).parents[2]
SUITE = """
import pytest

def test_real(kafka):
    assert kafka

@pytest.mark.containers
def test_image():
    pytest.skip("no engine")

def test_other():
    pytest.skip("not today")
"""


def run_suite(folder: Path, **environment: str) -> str:
    """What pytest prints for SUITE on a machine without Java and Docker."""
    (folder / "test_suite.py").write_text(SUITE)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-rA",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
    ]
    bare = {"PATH": "/nowhere", "PYTHONPATH": str(ROOT), "DOCKER_HOST": "unix:///nowhere.sock"}
    ran = subprocess.run(
        [*command, str(folder)], env=bare | environment, cwd=folder, capture_output=True, text=True, check=False
    )
    return ran.stdout + ran.stderr


def test_without_a_real_kafka_its_tests_skip_with_every_reason(tmp_path: Path) -> None:
    printed = run_suite(tmp_path)

    assert "3 skipped" in printed
    assert re.search(r"no real Kafka: ROUTER_TEST_BOOTSTRAP is not set; java is not installed; no Docker", printed)


def test_in_ci_a_skip_for_want_of_a_kafka_or_an_engine_fails_the_run(tmp_path: Path) -> None:
    printed = run_suite(tmp_path, CI="true")

    assert "1 skipped" in printed
    assert len(re.findall(r"^(?:FAILED|ERROR) .*test_(?:real|image)", printed, re.MULTILINE)) == 2


def test_a_named_bootstrap_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choice.BOOTSTRAP, "broker.example:9092")

    assert choice.missing() is None
    with choice.real_kafka() as bootstrap:
        assert bootstrap == "broker.example:9092"


def test_looking_for_an_engine_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reason = container.missing()
        gc.collect()

    assert reason == "no Docker engine answers: /nowhere.sock: No such file or directory"
    assert caught == []


def test_where_signals_are_ignored_the_processes_of_tests_get_them_nevertheless() -> None:
    """As under `nohup ./ops/test &`."""
    tests = ("tests/process/test_signals.py::test_a_terminal_that_goes_is_a_stop", "tests/process/test_run.py")
    shell = 'trap "" INT HUP; exec "$@"'
    ran = subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-m", "pytest", "-q", *tests, "-k", "goes or second"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stdout
