"""A process of the demo's own: in a session of its own, so that Ctrl-C is the demo's to handle, and gone when it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from router.process import leash

ROOT = Path(__file__).parent.parent.parent


def start(
    command: Sequence[str], environment: Mapping[str, str], errors: IO[bytes] | None = None
) -> subprocess.Popen[str]:
    """A Python process (`command` are the interpreter's arguments) whose standard output is read as text."""
    leashed = [sys.executable, "-I", "-S", str(leash.__file__), str(os.getpid()), sys.executable, *command]
    return subprocess.Popen(
        leashed, cwd=ROOT, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
        text=True, start_new_session=True,
    )  # fmt: skip


def stop(child: subprocess.Popen[str], seconds: float) -> int:
    """SIGTERM, and by force after `seconds`; returns the exit status."""
    child.terminate()
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
    status = child.wait()
    if child.stdout is not None:
        child.stdout.close()
    return status
