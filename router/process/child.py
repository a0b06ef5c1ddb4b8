"""One supervised process: it dies with its parent, has a process group of its own, is restarted later and later."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from router.native.library import SWITCH
from router.process import parent_death

CRASHES = 2  # in native code, before a child is started without the router's own
_CRASHED = frozenset(
    -number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT)
)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run. `environment` is added to this process's."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RestartDelay:
    """Seconds between an end and the next start: `first`, doubling to `longest`; from `first` again after `healthy`."""

    first: float = 1.0
    longest: float = 30.0
    healthy: float = 60.0

    def after(self, previous: float, ran: float) -> float:
        """The wait after a run of `ran` seconds; `previous` is the last wait, 0 before the first."""
        return self.first if ran >= self.healthy or not previous else min(previous * 2, self.longest)


class Child:
    """A process and its restarts. Times are monotonic seconds, given by the caller."""

    def __init__(self, spec: ChildSpec, backoff: RestartDelay) -> None:
        self.spec = spec
        self._backoff = backoff
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._wait = 0.0
        self._kill_at: float | None = None
        self.due: float | None = 0.0  # when to start; None while it runs
        self.runs = 0  # starts so far
        self._crashes = 0

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def pid(self) -> int | None:
        """None while it does not run. From any thread."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def unsettled(self) -> bool:
        """Started, and its end not yet told by `reap`."""
        return self._process is not None and self.due is None

    def start(self, now: float) -> None:
        """The starting thread must live as long as the child should: its parent-death signal is tied to that thread."""
        without = {SWITCH: "0"} if self.without_native else {}
        bare = [sys.executable, "-I", "-S", str(Path(parent_death.__file__)), str(os.getpid())]
        self._process = subprocess.Popen(  # noqa: S603 (our own command line, no shell)
            [*bare, *self.spec.command],
            env=os.environ | dict(self.spec.environment) | without,
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
        self._started = now
        self.runs += 1
        self._kill_at = None
        self.due = None

    def reap(self, now: float) -> int | None:
        """The exit status once it has ended (negative: killed by that signal), and set when to start again."""
        if self._process is None or not self.unsettled:
            return None
        status = self._process.poll()
        if status is None:
            return None
        self._crashes += status in _CRASHED
        _signal_group(self._process.pid, signal.SIGKILL)  # what it left behind
        self._wait = self._backoff.after(self._wait, now - self._started)
        self.due = now + self._wait
        return status

    def hangup(self) -> None:
        """SIGHUP, if it runs; one that has not begun to listen ignores it and reads its files anyway."""
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def stop(self, deadline: float) -> None:
        """Ask it to end; `enforce` kills it when it has not by `deadline`."""
        if self._process is not None and self.unsettled and self._kill_at is None:
            self._process.terminate()
            self._kill_at = deadline

    def enforce(self, now: float) -> bool:
        """Kill what was asked to stop and did not in time. True when it came to that."""
        if self._kill_at is None or now < self._kill_at or not self.unsettled:
            return False
        self.kill()
        self._kill_at = math.inf
        return True

    def kill(self) -> None:
        """End its whole group at once."""
        pid = self.pid
        if pid is not None:
            _signal_group(pid, signal.SIGKILL)

    @property
    def without_native(self) -> bool:
        """Whether it has crashed so often that the next start is without the native library."""
        return self._crashes >= CRASHES

    @property
    def stopping(self) -> bool:
        return self._kill_at is not None

    @property
    def wait(self) -> float:
        """Seconds between its last end and the next start."""
        return self._wait


def describe(status: int) -> str:
    """`ended with status 3` or `was killed by SIGKILL`."""
    return f"ended with status {status}" if status >= 0 else f"was killed by {signal.Signals(-status).name}"


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return  # nobody is left in it (macOS says EPERM for zombies)
