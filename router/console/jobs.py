"""Work that goes on after the request which began it was answered: how far it is, and its end.

One at a time of a kind and a target. kill -9 ends it where it is; what a redrive or a replay has sent stands in its own
log, so the same goes on from there. Only the last few that have ended are remembered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Event, Lock, Thread
from typing import Literal

from router.console.audit import Deed
from router.errors import RouterError, UsageError

JobEnd = Literal["done", "stopped", "failed"]
MOST_ENDED = 20
JOIN_SECONDS = 20.0

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Job:
    """`dealt` messages of about `whole` (None: not known) are dealt with; `says` is its last sentence."""

    kind: str
    target: str
    deed: Deed
    whole: int | None = None
    dealt: int = 0
    says: str = ""
    end: JobEnd | None = None  # None: it runs
    began: float = field(default_factory=time.time)
    asked_to_stop: Event = field(default_factory=Event)
    thread: Thread | None = None

    @property
    def open(self) -> bool:
        return self.end is None

    @property
    def state(self) -> JobEnd | Literal["running", "stopping"]:
        return self.end or ("stopping" if self.asked_to_stop.is_set() else "running")

    @property
    def share(self) -> float | None:
        """From 0 to 1."""
        return min(1.0, self.dealt / self.whole) if self.whole else None

    def advance(self, count: int) -> None:
        self.dealt += count


Work = Callable[[Job], str]
Ended = Callable[[Job], object]


class Jobs:
    """`ended` is called in the job's own thread once it is over, however."""

    def __init__(self, ended: Ended) -> None:
        self._ended = ended
        self._lock = Lock()
        self._jobs: list[Job] = []

    def start(self, kind: str, target: str, deed: Deed, work: Work, whole: int | None = None) -> Job:
        """Begin; `work` says at its end what was done. Raises UsageError while another of this target runs."""
        job = Job(kind, target, deed, whole)
        with self._lock:
            if any(one.open and (one.kind, one.target) == (kind, target) for one in self._jobs):
                raise UsageError(f"a {kind} of {target} is under way: stop it first")
            ended = [one for one in self._jobs if not one.open]
            for old in ended[: max(0, len(ended) - MOST_ENDED + 1)]:
                self._jobs.remove(old)
            self._jobs.append(job)
        job.thread = Thread(target=self._run, args=(job, work), name=f"{kind} {target}", daemon=True)
        job.thread.start()
        return job

    def latest(self, kind: str, target: str) -> Job | None:
        """The one that runs, else the last that has ended."""
        with self._lock:
            return next((one for one in reversed(self._jobs) if (one.kind, one.target) == (kind, target)), None)

    def of(self, kind: str, target: str | None = None) -> list[Job]:
        """Those of a kind, and of a target where one is given, as they are now, the newest first.

        What is read after it is not older than what they say.
        """
        with self._lock:
            return [replace(one) for one in reversed(self._jobs) if one.kind == kind and target in (None, one.target)]

    def stop(self, kind: str, target: str) -> None:
        """Ask it to end after what is under way. Raises UsageError where none runs."""
        job = self.latest(kind, target)
        if job is None or not job.open:
            raise UsageError(f"no {kind} of {target} is under way here")
        job.asked_to_stop.set()

    def close(self) -> None:
        """End all of them and wait for a while."""
        with self._lock:
            waiting = [one for one in self._jobs if one.open]
        for job in waiting:
            job.asked_to_stop.set()
        until = time.monotonic() + JOIN_SECONDS
        for job in waiting:
            if job.thread is not None:
                job.thread.join(max(0.0, until - time.monotonic()))

    def _run(self, job: Job, work: Work) -> None:
        end: JobEnd = "failed"
        try:
            job.says = work(job)
            end = "stopped" if job.asked_to_stop.is_set() else "done"
        except RouterError as error:
            job.says = str(error)
        finally:
            job.says = job.says or "it ended with a fault of the console: its log has more"
            job.end = end
            try:
                self._ended(job)
            except RouterError as error:
                log.warning("the end of an action could not be written down: %s", error)
