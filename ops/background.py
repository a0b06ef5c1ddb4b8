"""What goes on beside a test or a chaos run until it is told to stop: each call in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

Call = Callable[[Callable[[], bool]], None]  # is given what tells whether to stop


class Background:
    """`stop` waits for the threads and raises what one of them died of."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._over = threading.Event()
        self._failed: list[BaseException] = []
        self._threads = [threading.Thread(target=self._guarded, args=(call,), daemon=True) for call in calls]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether none of them has ended yet."""
        return all(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self._failed:
            raise self._failed[0]

    def _guarded(self, call: Call) -> None:
        try:
            call(self._over.is_set)
        except BaseException as error:  # noqa: BLE001  handed to the thread that stops it
            self._failed.append(error)
