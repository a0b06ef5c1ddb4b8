"""What takes its time to open, begun while a command does something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Protocol, TypeVar


class _Closable(Protocol):
    def close(self) -> None: ...


_Opened = TypeVar("_Opened", bound=_Closable)


@contextmanager
def opening(make: Callable[[], _Opened]) -> Iterator[Callable[[], _Opened]]:
    """Calls `make` in a thread of its own. What this yields waits for the result, or raises what `make` raised.

    It is closed at the end; where nobody has waited for it, as soon as it is open. All that `make` needs must have been
    imported: two threads that import at once may see half of a module.
    """
    opened: Future[_Opened] = Future()

    def run() -> None:
        try:
            opened.set_result(make())
        except BaseException as error:  # noqa: BLE001  raised where the result is asked for
            opened.set_exception(error)

    Thread(target=run, name="opening", daemon=True).start()
    try:
        yield opened.result
    finally:
        opened.add_done_callback(_close)


def _close(opened: Future[_Opened]) -> None:
    if opened.exception() is None:
        opened.result().close()
