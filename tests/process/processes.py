"""Small commands to supervise, and waiting with generous deadlines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

DEADLINE_SECONDS = 120.0

# Writes its process id as a new line of argv[1], then does what the rest of the script says.
_HEAD = """
import os, signal, sys, time
with open(sys.argv[1], "a") as starts:
    starts.write(f"{os.getpid()}\\n")
"""
SLEEPS = "time.sleep(600)\n"
STOPS_CLEANLY = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\ntime.sleep(600)\n"
IGNORES_SIGTERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)\n"


def script(body: str, starts: Path) -> list[str]:
    """A command that notes its start in `starts` and then runs `body`."""
    return [sys.executable, "-S", "-c", _HEAD + body, str(starts)]


def started(starts: Path) -> list[int]:
    """Process ids of all starts so far."""
    return [int(line) for line in starts.read_text().split()] if starts.exists() else []


def eventually(condition: Callable[[], object], what: str = "") -> None:
    """Wait until the condition is true; fail the test after a generous deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS:g} s: {what or condition}"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether the process is there and not just waiting to be reaped."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
