"""Publishes one batch in a thread of its own while the next is prepared: the pipeline of two.

librdkafka waits outside the GIL, so both threads get on. kill -9: see `router.worker.checkpoint`.
"""

from __future__ import annotations

import queue
import threading

from router.worker.checkpoint import Checkpoint, CommitBatch


class CommitThread:
    """At most one batch is under way. All methods are for the consuming thread."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._waiting: queue.SimpleQueue[CommitBatch | None] = queue.SimpleQueue()
        self._done = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()
        self.busy = False

    def start(self, batch: CommitBatch) -> None:
        """Begin to publish. `finish` must have ended the batch before."""
        assert not self.busy
        self.busy = True
        self._done.clear()
        self._waiting.put(batch)

    def finished(self, timeout: float) -> bool:
        """Whether `finish` would not wait; waits for that up to `timeout` seconds."""
        return self._done.wait(timeout)

    def finish(self) -> None:
        """Wait for the end. Raises what `Checkpoint.publish` raised."""
        self._done.wait()
        self.busy = False
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()
        self._checkpoint.close()

    def _run(self) -> None:
        while (batch := self._waiting.get()) is not None:
            try:
                self._checkpoint.publish(batch)
            except BaseException as error:  # noqa: BLE001  handed to the consuming thread, which raises it
                self._failure = error
            self._done.set()
