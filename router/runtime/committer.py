"""Commits one batch in a thread of its own while the next is prepared: the pipeline of two.

The consuming thread hands a `Work` over and asks later how it ended; at most one is under way. librdkafka waits outside
the GIL, so both threads get on.
"""

from __future__ import annotations

import queue
import threading

from router.runtime.outputs import Outputs, Work


class Committer:
    """Runs `outputs.commit` for one work at a time. All methods are for the consuming thread."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._todo: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._done = threading.Event()
        self._result: dict[int, int] | BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()
        self.busy = False

    def hand_over(self, work: Work) -> None:
        """Start committing. The one before must have been collected."""
        assert not self.busy
        self.busy = True
        self._done.clear()
        self._todo.put(work)

    def finished(self, timeout: float) -> bool:
        """Whether `collect` would not wait; waits for that up to `timeout` seconds."""
        return self._done.wait(timeout)

    def collect(self) -> dict[int, int]:
        """Wait for the end: the changelog offsets written. Raises what the commit raised."""
        self._done.wait()
        self.busy = False
        result, self._result = self._result, None
        if isinstance(result, BaseException):
            raise result
        assert result is not None
        return result

    def close(self) -> None:
        self._todo.put(None)
        self._thread.join()
        self._outputs.close()

    def _run(self) -> None:
        while (work := self._todo.get()) is not None:
            try:
                self._result = self._outputs.commit(work)
            except BaseException as error:  # noqa: BLE001  handed to the consuming thread, which raises it
                self._result = error
            self._done.set()
