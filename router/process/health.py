"""Whether a process can serve (ready) and whether it still gets on (live): named checks, set from any thread.

Liveness of a loop means "offset advanced, or nothing to read": it declares `progress(name, deadline_s)` and then calls
`beat` or `idle` on every round; a loop that does neither for that long is not live. Nothing here is kept on disk:
after kill -9 a new process starts as not ready.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

from router.errors import RouterError


@dataclass(frozen=True, slots=True)
class Check:
    """One named answer. `why` says in words what is wrong, and may say what is right; it holds no payload."""

    ok: bool
    why: str = ""

    def as_dict(self) -> dict[str, object]:
        return {"ok": self.ok, "why": self.why} if self.why else {"ok": self.ok}


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of one kind. `ok` is true only when each of them is."""

    ok: bool
    checks: dict[str, Check] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        return {"ok": self.ok, "checks": {name: check.as_dict() for name, check in self.checks.items()}}

    def why(self) -> str:
        """The checks that fail, in one line; empty when none does."""
        return "; ".join(f"{name}: {check.why or 'failing'}" for name, check in self.checks.items() if not check.ok)


class HealthSource(Protocol):
    """What the health pages are made from: one process, or a supervisor that asks its children."""

    def readiness(self) -> Report: ...

    def liveness(self) -> Report: ...


@dataclass(slots=True)
class _Watchdog:
    deadline_s: float
    last: float
    doing: str


class Health:
    """The checks of one process. A process is ready once it has at least one check and none that fails.

    `clock` gives monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._ready: dict[str, Check] = {}
        self._live: dict[str, Check] = {}
        self._watchdogs: dict[str, _Watchdog] = {}

    def ready(self, name: str, ok: bool, why: str = "") -> None:
        """Set a readiness check, such as `ready("kafka", False, "broker does not answer")`."""
        with self._lock:
            self._ready[name] = Check(ok, why)

    def live(self, name: str, ok: bool, why: str = "") -> None:
        """Set a liveness check. One that fails asks to be restarted: use it for what a restart can mend."""
        with self._lock:
            self._live[name] = Check(ok, why)

    def progress(self, name: str, deadline_s: float) -> None:
        """Watch a loop: live while `beat` or `idle` come at least every `deadline_s` seconds, counted from now."""
        with self._lock:
            self._watchdogs[name] = _Watchdog(deadline_s, self._clock(), "started")

    def beat(self, name: str) -> None:
        """The watched loop got on: an offset advanced. Raises RouterError when the name is not watched."""
        self._feed(name, "advanced")

    def idle(self, name: str, why: str = "nothing to read") -> None:
        """The watched loop is well and rightly does nothing. Raises RouterError when the name is not watched."""
        self._feed(name, why)

    def forget(self, name: str) -> None:
        """Drop every check of this name, such as that of a partition that was revoked. Harmless when unknown."""
        with self._lock:
            for checks in (self._ready, self._live, self._watchdogs):
                checks.pop(name, None)

    def readiness(self) -> Report:
        with self._lock:
            checks = dict(self._ready) or {"start": Check(False, "starting")}
        return _report(checks)

    def liveness(self) -> Report:
        with self._lock:
            now = self._clock()
            watched = {name: _judge(watchdog, now) for name, watchdog in self._watchdogs.items()}
            return _report(self._live | watched)

    def _feed(self, name: str, doing: str) -> None:
        with self._lock:
            watchdog = self._watchdogs.get(name)
            if watchdog is None:
                raise RouterError(f"health: {name} is not watched; call progress() first")
            watchdog.last = self._clock()
            watchdog.doing = doing


def _report(checks: dict[str, Check]) -> Report:
    return Report(all(check.ok for check in checks.values()), checks)


def _judge(watchdog: _Watchdog, now: float) -> Check:
    silent = now - watchdog.last
    if silent <= watchdog.deadline_s:
        return Check(True, watchdog.doing)
    return Check(False, f"no progress for {silent:.0f} s (limit {watchdog.deadline_s:g} s); last: {watchdog.doing}")
