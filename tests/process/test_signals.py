"""SIGHUP: read the files again; or, when the terminal is gone, stop. In real processes, with a real terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.process.processes import DEADLINE_SECONDS

# argv[1]: a terminal to take as one's own, or nothing; argv[2]: as nohup starts it, or nothing.
SCRIPT = """
import os, signal, sys
from threading import Event
from router.process.signals import reload_on_hangup, stop_on_signals
if sys.argv[1]:
    os.open(sys.argv[1], os.O_RDWR)
if sys.argv[2]:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
def say(text):
    os.write(1, text.encode() + b"\\n")
stop = Event()
with stop_on_signals(stop), reload_on_hangup(lambda: say("asked"), lambda: say("again")):
    say("ready")
    stop.wait()
say("stopped")
"""


@contextmanager
def started(terminal: str = "", nohup: str = "") -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, terminal, nohup],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert line(process) == "ready"
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_each_hangup_asks_and_stops_nothing() -> None:
    with started() as process:
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
            assert [line(process), line(process)] == ["asked", "again"]
        process.send_signal(signal.SIGTERM)
        assert line(process) == "stopped"
        assert process.wait(DEADLINE_SECONDS) == 0


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A terminal's other end, and its name."""
    ours, theirs = pty.openpty()
    try:
        yield ours, os.ttyname(theirs)
    finally:
        os.close(theirs)


def test_a_terminal_that_goes_is_a_stop(terminal: tuple[int, str]) -> None:
    ours, name = terminal
    with started(name) as process:
        process.send_signal(signal.SIGHUP)
        assert [line(process), line(process)] == ["asked", "again"]
        os.close(ours)
        assert line(process) == "stopped"
        assert process.wait(DEADLINE_SECONDS) == 0


def test_shielded_as_by_nohup_it_outlives_its_terminal(terminal: tuple[int, str]) -> None:
    ours, name = terminal
    with started(name, "nohup") as process:
        os.close(ours)
        assert [line(process), line(process)] == ["asked", "again"]
        assert process.poll() is None
