"""A route worker with a fault in it: `python -m tests.worker.faulty_route FAULT route TOPOLOGY …`.

agent: an agent raises for each event whose id begins with `poison`. chain: the agents raise what is no event's own.
state: the local state cannot be written, after the outputs were. restore: the state takes longer than a session.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from router.agents.emit import Emit
from router.agents.events import Events
from router.agents.isolate import Isolated
from router.cli import main
from router.dedupe.window_rocksdb import RocksWindow
from router.worker.restore import Restore

SLOW_SECONDS = 9.0  # the session is over after six


def agent() -> None:
    process = Emit.process

    def raising(self: Emit, events: Events, batch: Any) -> Events:
        if any(b'"messageId":"poison' in events.value(row) for row in range(len(events))):
            raise ZeroDivisionError
        return process(self, events, batch)

    Emit.process = raising  # type: ignore[method-assign]


def chain() -> None:
    def raising(*_: Any) -> None:
        raise RuntimeError("no event's own")

    Isolated.run = raising  # type: ignore[method-assign,assignment]


def state() -> None:
    def raising(*_: Any) -> None:
        raise OSError("no space left on device")

    RocksWindow.write = raising  # type: ignore[method-assign,assignment]


def restore() -> None:
    step = Restore.step
    begun = time.monotonic()

    def slow(self: Restore, seconds: float) -> None:
        time.sleep(seconds)
        if time.monotonic() > begun + SLOW_SECONDS:
            step(self, seconds)

    Restore.step = slow  # type: ignore[method-assign]
    Restore.done = property(lambda self: not self._at and time.monotonic() > begun + SLOW_SECONDS)  # type: ignore


FAULTS: dict[str, Callable[[], None]] = {fault.__name__: fault for fault in (agent, chain, state, restore)}

if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    sys.exit(main())
