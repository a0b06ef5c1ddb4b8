"""Keeps what a process runs in step with the files of its topology, without a restart.

A thread looks at the files every second. When their content has changed and has stayed so for a moment, or when it is
asked to (SIGHUP), it loads, compiles and compares. What is faulty is refused with every problem in the log, and the
last good topology goes on. What can be taken over is prepared in the thread and offered to the owner, who takes it
between two batches or requests. Nothing is kept on disk: after kill -9 a process begins with the files as they are.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

from router import metrics
from router.config.changes import Change, follow, newcomers
from router.config.inputs import Inputs, Stamp
from router.config.loader import Loaded
from router.config.origin import Origin
from router.errors import FileError, Problem, RouterError, Unavailable

T = TypeVar("T")
Absent = Callable[[Loaded, Collection[str]], Collection[str]]
OUTCOMES = ("applied", "unchanged", "restart_needed", "refused")
POLL_SECONDS = 1.0
SETTLE_SECONDS = 0.5  # an editor writes in steps, `git checkout` one file after the other
SETTLED_AT_LAST_SECONDS = 10.0
TOPICS_SECONDS = 10.0  # whoever makes topics has seen the change no earlier
TOPICS_AGAIN_SECONDS = 5.0
_TOPICS_POLL_SECONDS = 0.5

log = logging.getLogger(__name__)


def _none(_: Loaded, __: Collection[str]) -> Collection[str]:
    return ()


@dataclass(frozen=True)
class Offer(Generic[T]):
    """What the owner runs next: a topology, what was prepared for it, and how it differs from the last."""

    loaded: Loaded
    prepared: T
    changes: Sequence[Change]


class Reload(Generic[T]):
    """Loads a topology and watches its files; `active` is the one in force.

    The owner calls `use`, which starts the thread, then `take` in every round and `done` once an offer is in force.
    With `brief`, somebody else tells what changed and what is wrong (a supervisor that reads the same files).
    `register` gets every topology before anything is said about it, for the secrets in it.
    """

    def __init__(self, origin: Origin, *, brief: bool = False) -> None:
        """Raises FileError with all problems of the files."""
        self._origin = origin
        self._brief = brief
        self._inputs: Inputs = origin.inputs()
        self._stamp: Stamp = self._inputs.stamp()
        self._digest = self._inputs.digest()
        self.active: Loaded = origin.load()  # after the digest: what changes in between is seen
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._stopping = Event()
        self._lock = Lock()
        self._offer: Offer[T] | None = None
        self._wanted = self.active
        self._held: Collection[str] = ()
        self._again = 0.0
        self._thread = Thread(target=self._run, name="reload", daemon=True)

    def use(
        self,
        prepare: Callable[[Loaded], T],
        *,
        register: Callable[[Loaded], object] = lambda _: None,
        absent: Absent = _none,
        at_once: bool = False,
        delay: float = 0.0,
    ) -> None:
        """Watch from now on. All calls come in the watching thread.

        `prepare` makes what the owner needs, and may refuse with a RouterError; with `at_once` that is all, and nothing
        is offered. `absent` says which of some destinations have no topics yet. An offer is made `delay` seconds late.
        """
        self._prepare, self._register, self._absent = prepare, register, absent
        self._at_once, self._delay = at_once, delay
        for outcome in OUTCOMES:
            metrics.RELOADS.labels(outcome)
        self._thread.start()

    def ask(self) -> None:
        """Look now, changed or not. From any thread or signal handler."""
        self._asked.put(None)

    def take(self) -> Offer[T] | None:
        """The newest offer, once. Costs next to nothing when there is none."""
        if self._offer is None:
            return None
        with self._lock:
            offer, self._offer = self._offer, None
            if offer is not None:
                self.active = offer.loaded
        return offer

    def done(self, offer: Offer[T]) -> None:
        """The offer that was taken is in force."""
        self._tell(offer.changes)

    def stop(self) -> None:
        """End the thread, if it was started."""
        self._stopping.set()
        self._asked.put(None)
        if self._thread.is_alive():
            self._thread.join()

    # In the watching thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            asked = self._was_asked()
            if self._stopping.is_set():
                return
            try:
                self._turn(asked)
            except Exception:  # a fault of ours must not end the watch
                log.exception("reload failed; the last good topology goes on")
                metrics.RELOADS.labels("refused").inc()

    def _was_asked(self) -> bool:
        try:
            self._asked.get(timeout=POLL_SECONDS)
        except Empty:
            return False
        while not self._asked.empty():
            self._asked.get()
        return True

    def _turn(self, asked: bool) -> None:
        if asked or self._inputs.stamp() != self._stamp:
            self._look(asked)
        elif self._held and time.monotonic() >= self._again:
            self._again = time.monotonic() + TOPICS_AGAIN_SECONDS
            if set(self._without_topics(self._held)) != set(self._held):
                self._bring()

    def _look(self, asked: bool) -> None:
        self._settle()
        stamp, digest = self._inputs.stamp(), self._inputs.digest()
        if digest == self._digest and not asked:
            self._stamp = stamp
            return
        loaded, problems = self._load()
        if self._stopping.is_set() or self._inputs.stamp() != stamp:
            return  # it went on changing: the next turn sees to it
        self._stamp, self._digest = stamp, digest
        if loaded is None:
            self._refuse(problems)
            return
        self._register(loaded)
        self._warn(loaded)
        self._wanted = loaded
        self._bring()

    def _settle(self) -> None:
        """Wait until the files stay as they are for a moment."""
        until = time.monotonic() + SETTLED_AT_LAST_SECONDS
        before = None
        while not self._stopping.is_set():
            self._inputs = self._origin.inputs()
            stamp = self._inputs.stamp()
            if stamp == before or time.monotonic() > until:
                return
            before = stamp
            self._stopping.wait(SETTLE_SECONDS)

    def _load(self) -> tuple[Loaded | None, Sequence[Problem]]:
        try:
            return self._origin.load(), ()
        except FileError as error:
            return None, error.problems

    def _bring(self) -> None:
        """Compare what is wanted with what is active, and offer what can be taken over."""
        self._held = self._wait_for_topics(newcomers(self.active, self._wanted))
        self._again = time.monotonic() + TOPICS_AGAIN_SECONDS
        while not self._stopping.is_set():
            base = self.active
            loaded, changes = follow(base, self._wanted, without=self._held)
            offer = None
            if not all(change.restart for change in changes):
                try:
                    offer = Offer(loaded, self._prepare(loaded), changes)
                except RouterError as error:
                    log.error("reload refused: %s; the last good topology goes on", error)
                    metrics.RELOADS.labels("refused").inc()
                    return
            if self._made(offer, base):
                if offer is None:
                    self._tell(changes)
                return

    def _made(self, offer: Offer[T] | None, base: Loaded) -> bool:
        """Put the offer, or none, in the place of the last. False when the owner has taken that one meanwhile."""
        if offer is not None and not self._at_once:
            self._stopping.wait(self._delay)
        with self._lock:
            if self.active is not base:
                return False
            self._offer = offer
        if offer is not None and self._at_once:
            self.take()
            self.done(offer)
        return True

    def _wait_for_topics(self, names: Sequence[str]) -> Collection[str]:
        until = time.monotonic() + TOPICS_SECONDS
        missing = self._without_topics(names)
        while missing and time.monotonic() < until and not self._stopping.wait(_TOPICS_POLL_SECONDS):
            missing = self._without_topics(names)
        return missing

    def _without_topics(self, names: Collection[str]) -> Collection[str]:
        try:
            return self._absent(self.active, names) if names else ()
        except Unavailable as error:
            log.debug("topics cannot be asked for: %s", error)
            return names

    # What is said

    def _tell(self, changes: Sequence[Change]) -> None:
        waiting = sum(change.restart for change in changes)
        outcome = "restart_needed" if waiting else "applied" if changes else "unchanged"
        for change in () if self._brief else changes:
            if change.restart:
                log.warning("reload: left as it was until a restart: %s", change)
            else:
                log.info("reload: %s", change)
        log.info("reload: %s", outcome.replace("_", " "), extra={"changes": len(changes), "waiting": waiting})
        metrics.RELOADS.labels(outcome).inc()

    def _refuse(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            log.log(logging.DEBUG if self._brief else logging.ERROR, "reload refused: %s", problem)
        log.error("reload refused; the last good topology goes on", extra={"problems": len(problems)})
        metrics.RELOADS.labels("refused").inc()

    def _warn(self, loaded: Loaded) -> None:
        if not self._brief:
            for warning in loaded.warnings:
                if warning not in self._wanted.warnings:
                    log.warning("%s", warning)
