"""Runs children, restarts those that crash, and stops all of them as one.

A child whose first run ends with status 1 or 2 is wrong in itself (configuration, usage): everything stops with that
status. Any other end is answered with a restart and back-off, and so is status 1 or 2 of a later run, or of a child
that was added while others run: files that were sound have changed since, and are being edited. One that has crashed
twice in native code is started without the router's own from then on. If this process is killed, the kernel kills the
children with it.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterable
from threading import Event, Lock

from router import metrics
from router.errors import RouterError
from router.process.child import Child, ChildSpec, RestartDelay, describe
from router.process.run import FAULT

TICK_SECONDS = 0.1
_END_TICK_SECONDS = 0.02
STOP_SECONDS = 30.0
INTERRUPTED = 130

log = logging.getLogger(__name__)


class Supervisor:
    """`outage` is asked on every round; the error it returns ends everything with the error's status.

    `ending` is called once, before the first child is told to stop.
    """

    def __init__(
        self,
        specs: Iterable[ChildSpec],
        *,
        outage: Callable[[], RouterError | None] = lambda: None,
        ending: Callable[[], object] = lambda: None,
        backoff: RestartDelay | None = None,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._backoff = backoff or RestartDelay()
        self._children: dict[str, Child] = {}
        self._added: list[ChildSpec] = []
        self._outage = outage
        self._ending = ending
        self._stop_seconds = stop_seconds
        self._forced = Event()
        self._lock = Lock()
        self._condemned: dict[str, str] = {}
        self._status = 0
        self._hangup = False
        for spec in specs:
            self._take(spec)
        self._first = frozenset(self._children)

    def pid(self, name: str) -> int | None:
        """Process id of a child, None while it does not run."""
        child = self._children.get(name)
        return child.pid if child is not None else None

    def add(self, spec: ChildSpec) -> None:
        """One more child, started in the next round. From any thread."""
        with self._lock:
            self._added.append(spec)

    def replace(self, name: str, why: str) -> None:
        """Stop a child that hangs; it is restarted like one that crashed. From any thread."""
        with self._lock:
            self._condemned[name] = why

    def hangup(self) -> None:
        """Pass SIGHUP on to all children. From any thread or signal handler."""
        self._hangup = True

    def force(self) -> None:
        """Wait for nobody: kill what still runs. From any thread or signal handler."""
        self._forced.set()

    def run(self, stop: Event) -> int:
        """Start all, keep them running until `stop` is set, stop all. Returns the exit status.

        The calling thread must be one that lives as long as the process: children die with it.
        """
        try:
            while not stop.is_set() and self._keep():
                stop.wait(TICK_SECONDS)
            self._ending()
        finally:
            self._end()
        return self._status

    def _keep(self) -> bool:
        """One round. False when everything has to stop."""
        now = time.monotonic()
        error = self._outage()
        if error is not None:
            log.error("%s: stopping", error)
            self._status = error.status
            return False
        self._take_added()
        self._replace(now)
        if self._hangup:
            self._hangup = False
            for child in self._children.values():
                child.hangup()
        for child in self._children.values():
            status = child.reap(now)
            if status is not None and not self._judge(child, status):
                return False
            if child.due is not None and child.due <= now:
                child.start(now)
                log.debug("%s runs", child.name, extra={"child_pid": child.pid})
        return True

    def _take_added(self) -> None:
        with self._lock:
            added, self._added = self._added, []
        for spec in added:
            self._take(spec)

    def _take(self, spec: ChildSpec) -> None:
        self._children[spec.name] = Child(spec, self._backoff)
        metrics.RESTARTS.labels(spec.name)

    def _replace(self, now: float) -> None:
        with self._lock:
            condemned, self._condemned = self._condemned, {}
        for name, why in condemned.items():
            child = self._children[name]
            if child.pid is not None and not child.stopping:
                log.error("%s hangs and is replaced: %s", name, why)
                child.stop(now + self._stop_seconds)
        for child in self._children.values():
            child.enforce(now)

    def _judge(self, child: Child, status: int) -> bool:
        if status in (1, 2) and child.runs == 1 and child.name in self._first and not child.stopping:
            log.error("%s %s: stopping", child.name, describe(status))
            self._status = status
            return False
        without = " without the native library" if child.without_native else ""
        log.error("%s %s; it starts again%s in %g s", child.name, describe(status), without, child.wait)
        metrics.RESTARTS.labels(child.name).inc()
        return True

    def _end(self) -> None:
        deadline = time.monotonic() + self._stop_seconds
        for child in self._children.values():
            child.stop(deadline)
        while any(child.unsettled for child in self._children.values()):
            now = time.monotonic()
            for child in self._children.values():
                self._see_off(child, now)
            time.sleep(_END_TICK_SECONDS)
        if self._forced.is_set():
            self._status = self._status or INTERRUPTED

    def _see_off(self, child: Child, now: float) -> None:
        if self._forced.is_set():
            child.kill()
        elif child.enforce(now):
            log.error("%s did not stop within %g s and was killed", child.name, self._stop_seconds)
        status = child.reap(now)
        if status in (None, 0, -signal.SIGTERM) or self._forced.is_set():
            return
        log.warning("%s %s while stopping", child.name, describe(status))
        self._status = self._status or (status if status > 0 else FAULT)
