"""Ends the process when a call of the Kafka client does not come back.

librdkafka waits without end for a group's coordinator once the broker that was it has left the cluster's metadata,
whatever timeout a call was given (librdkafka issues 5456 and 5511); such a call cannot be interrupted. What it is part
of has not been committed, so the end is no worse than kill -9, and the next process begins where this one stood.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from router.errors import Unavailable

log = logging.getLogger(__name__)
TICK_SECONDS = 1.0


def end_process(what: str) -> None:
    """With the status of a part outside that is not there: supervisors start the process again."""
    log.critical("%s: ending this process, since the call cannot be interrupted", what)
    os._exit(Unavailable.status)


class Watchdog:
    """Calls `on_hang` once a watched call takes longer than `ticks` seconds in which this process ran."""

    def __init__(self, ticks: int, on_hang: Callable[[str], None] = end_process, tick: float = TICK_SECONDS) -> None:
        self._ticks = ticks
        self._on_hang = on_hang
        self._tick = tick
        self._call: tuple[str, int] | None = None
        self._count = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def watch(self, what: str) -> Iterator[None]:
        """One call; the calls of one watchdog are not nested."""
        self._count += 1
        self._call = (what, self._count)
        try:
            yield
        finally:
            self._call = None

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        """Counts ticks, not seconds: a process that was stopped and goes on finds its calls as they were."""
        seen, ticks = self._call, 0
        while not self._stop.wait(self._tick):
            call = self._call
            ticks = ticks + 1 if call is not None and call == seen else 0
            seen = call
            if call is not None and ticks >= self._ticks:
                self._on_hang(f"{call[0]} has not come back in {ticks * self._tick:.0f} s")
                return
