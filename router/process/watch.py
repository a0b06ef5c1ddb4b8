"""Watches the children of `router up`: reports when they are ready, has those replaced that run but hang."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic

from router.process.merge import Children

LOOK_SECONDS = 5.0
GATEWAY = "gateway"
SILENT_SECONDS = 30.0  # without a sign of life
START_SECONDS = 120.0  # until the first one: a child has much to import, and on a busy machine it is slow

log = logging.getLogger(__name__)


class Watch:
    """`runs`: whether a child runs. `replace(name, why)` stops a child and starts it again. `serves` is called once, in
    the watching thread, when the gateway takes requests.
    """

    def __init__(
        self,
        children: Children,
        runs: Callable[[str], bool],
        replace: Callable[[str, str], None],
        *,
        serves: Callable[[], None] | None = None,
        look_seconds: float = LOOK_SECONDS,
        silent_seconds: float = SILENT_SECONDS,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self._started: set[str] = set()
        self._silent: dict[str, float] = {}  # since when
        self._children = children
        self._runs = runs
        self._replace = replace
        self._look_seconds = look_seconds
        self._silent_seconds = silent_seconds
        self._start_seconds = start_seconds
        self._serves = serves
        self._ready = False
        self._stop = Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Ask every child once; also keeps `Children.last` fresh."""
        self._children.pages()
        if self._serves is not None and self._children.check(GATEWAY, "/readyz").ok:
            self._serves()
            self._serves = None
        if not self._ready and self._children.readiness().ok:
            self._ready = True
            log.info("all processes are ready")
        now = monotonic()
        for name in self._children.names:
            check = self._children.check(name, "/healthz")
            if check.ok:
                self._started.add(name)
            elif not self._runs(name):
                self._started.discard(name)
            limit = self._silent_seconds if name in self._started else self._start_seconds
            if check.ok or not self._runs(name):
                self._silent.pop(name, None)
            elif now - self._silent.setdefault(name, now) >= limit:
                del self._silent[name]
                self._started.discard(name)
                self._replace(name, check.why)

    def _run(self) -> None:
        while not self._stop.wait(self._look_seconds if self._ready else min(0.5, self._look_seconds)):
            self.look()
