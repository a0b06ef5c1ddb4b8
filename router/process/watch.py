"""Looks after the children of `router up`: says when all are ready, has those replaced that run but hang."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from threading import Event, Thread

from router.process.merge import Children

LOOK_SECONDS = 5.0
STRIKES = 6  # looks in a row: half a minute without a sign of life

log = logging.getLogger(__name__)


class Watch:
    """`runs` says whether a child runs, `replace(name, why)` has it stopped and started again."""

    def __init__(
        self,
        names: Iterable[str],
        children: Children,
        runs: Callable[[str], bool],
        replace: Callable[[str, str], None],
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._strikes = dict.fromkeys(names, 0)
        self._children = children
        self._runs = runs
        self._replace = replace
        self._look_seconds = look_seconds
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
        if not self._ready and self._children.readiness().ok:
            self._ready = True
            log.info("all processes are ready")
        for name in self._strikes:
            check = self._children.check(name, "/healthz")
            if check.ok or not self._runs(name):
                self._strikes[name] = 0
                continue
            self._strikes[name] += 1
            if self._strikes[name] >= STRIKES:
                self._strikes[name] = 0
                self._replace(name, check.why)

    def _run(self) -> None:
        while not self._stop.wait(self._look_seconds if self._ready else min(0.5, self._look_seconds)):
            self.look()
