"""SIGTERM and SIGINT as an event that says: finish what is begun, then stop. The second one does not ask.

SIGHUP says: read the files again; unless the terminal has gone, which is a stop as ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Thread
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGINT)
_POLL_SECONDS = 0.1


@dataclass
class StopSignals:
    """`second` is called at the second signal; None: the process dies of it as if it had no handler."""

    second: Callable[[], None] | None = None


@contextmanager
def stop_on_signals(stop: Event) -> Iterator[StopSignals]:
    """Set `stop` at the first signal; what the next one does is said by what this yields.

    Main thread only. The handlers that were there come back at the end.
    """
    signals = StopSignals()
    # An event is set by a thread of its own: a handler runs inside the main thread, which may hold the event's lock.
    asked: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
    seen: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) == 1:
            asked.put(stop.set)
        elif signals.second is not None:
            asked.put(signals.second)
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    thread = Thread(target=_obey, args=(asked,), name="signals", daemon=True)
    thread.start()
    before = {number: signal.signal(number, handle) for number in STOPPING}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        asked.put(None)
        thread.join()


def _obey(asked: SimpleQueue[Callable[[], None] | None]) -> None:
    while (action := asked.get()) is not None:
        action()


@contextmanager
def reload_on_hangup(*ask: Callable[[], object]) -> Iterator[None]:
    """Call each `ask`, from the handler, at every SIGHUP. Main thread only; the handler that was there comes back.

    A process of a terminal that nobody shields from SIGHUP (as nohup does) is stopped when that terminal goes.
    """
    before = signal.getsignal(signal.SIGHUP)
    of_terminal = before == signal.SIG_DFL and _has_terminal()

    def handle(number: int, frame: FrameType | None) -> None:
        if of_terminal and not _has_terminal():
            signal.raise_signal(signal.SIGTERM)
        else:
            for each in ask:
                each()

    signal.signal(signal.SIGHUP, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


async def until(stop: Event) -> None:
    """Return soon after `stop` is set. It polls, since a thread that waits could not be cancelled."""
    while not stop.is_set():  # noqa: ASYNC110 (a threading.Event, set by a signal handler)
        await asyncio.sleep(_POLL_SECONDS)
