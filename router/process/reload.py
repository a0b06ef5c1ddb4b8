"""Keeps what a process runs in step with the files of its topology, without a restart.

A thread looks at the files every second: a stat for each, which works on every mount. When they have changed and have
stayed so for a moment, or when it is asked to (SIGHUP), it loads, compiles and compares. What is faulty is refused with
every problem in the log, and the last good topology goes on. What can be taken over is prepared in the thread and
offered to the owner, who takes it between two batches or requests. Nothing is kept on disk: after kill -9 a process
begins with the files as they are.
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
from router.config.changes import Change, added_destinations, changes, follow
from router.config.loader import Loaded
from router.config.source_files import SourceFiles
from router.config.topics import topics_of
from router.errors import FileError, Problem, RouterError, Unavailable
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.mask import SECRETS

T = TypeVar("T")
Absent = Callable[[Loaded, Collection[str]], Collection[str]]
OUTCOMES = ("applied", "unchanged", "restart_needed", "refused")
POLL_SECONDS = 1.0
SETTLE_SECONDS = 0.5  # an editor writes in steps, `git checkout` one file after the other
SETTLED_AT_LAST_SECONDS = 10.0
TOPICS_SECONDS = 10.0  # whoever makes topics has seen the change no earlier
TOPICS_AGAIN_SECONDS = 5.0
MOST_TOLD = 5  # problems
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


@dataclass(frozen=True)
class _Owner(Generic[T]):
    prepare: Callable[[Loaded], T]
    register: Callable[[Loaded], object]
    absent: Absent
    at_once: bool
    delay: float


class Reload(Generic[T]):
    """Loads a topology and watches its files; `active` is the one in force.

    The owner calls `use`, which starts the thread, then `take` in every round and `done` once an offer is in force.
    With `brief`, somebody else logs what changed and what is wrong (a supervisor that reads the same files).
    `register` gets every topology before anything is said about it, for the secrets in it.
    """

    def __init__(self, files: SourceFiles, *, brief: bool = False) -> None:
        """Raises FileError with all problems of the files."""
        self._files = files
        self._brief = brief
        self.active = self._wanted = files.load()
        self._refused = False  # the files as they were last read
        self._missing: Collection[str] = ()  # added destinations that wait for their topics
        self._ask_again = 0.0
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._stopping = Event()
        self._lock = Lock()
        self._offer: Offer[T] | None = None
        self._thread: Thread | None = None
        self._told: Callable[[str], object] = lambda _: None

    def tell(self, told: Callable[[str], object]) -> None:
        """Give `told` what is wrong with the files as they were last read, in one line; empty once they are in order.

        Call it before `use`.
        """
        self._told = told

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
        is offered. `absent` returns which of some destinations have no topics yet. An offer is made `delay` seconds
        late.
        """
        owner = _Owner(prepare, register, absent, at_once, delay)
        for outcome in OUTCOMES:
            metrics.RELOADS.labels(outcome)
        self._thread = Thread(target=self._run, args=(owner,), name="reload", daemon=True)
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
        self._report(offer.changes)

    def stop(self) -> None:
        """End the thread, if it was started."""
        self._stopping.set()
        self._asked.put(None)
        if self._thread is not None:
            self._thread.join()

    # In the watching thread

    def _run(self, owner: _Owner[T]) -> None:
        while not self._stopping.is_set():
            asked = self._was_asked()
            if self._stopping.is_set():
                return
            try:
                self._turn(owner, asked)
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

    def _turn(self, owner: _Owner[T], asked: bool) -> None:
        if asked or self._files.inputs.changed():
            self._look(owner, asked)
        elif self._missing and time.monotonic() >= self._ask_again:
            self._ask_again = time.monotonic() + TOPICS_AGAIN_SECONDS
            if set(self._without_topics(owner, self._missing)) != set(self._missing):
                self._bring(owner)

    def _look(self, owner: _Owner[T], asked: bool) -> None:
        settled = self._settle()
        loaded, problems = self._load()
        if self._stopping.is_set() or (settled and self._files.inputs.changed()):
            return  # it goes on changing: the next turn looks again
        if loaded is None:
            self._refused = True
            self._refuse(problems)
            return
        touched = not (asked or self._refused or changes(self._wanted, loaded))
        self._refused = False
        self._told("")
        if touched:
            return
        owner.register(loaded)
        self._warn(loaded)
        self._wanted = loaded
        self._bring(owner)

    def _settle(self) -> bool:
        """Wait until the files stay as they are for a moment. False when they do not."""
        until = time.monotonic() + SETTLED_AT_LAST_SECONDS
        before = self._files.inputs.state()
        while not self._stopping.wait(SETTLE_SECONDS):
            now = self._files.inputs.state()
            if now == before:
                return True
            if time.monotonic() > until:
                return False
            before = now
        return False

    def _load(self) -> tuple[Loaded | None, Sequence[Problem]]:
        try:
            return self._files.load(), ()
        except FileError as error:
            return None, error.problems

    def _bring(self, owner: _Owner[T]) -> None:
        """Compare what is wanted with what is active, and offer what can be taken over."""
        with self._lock:
            self._offer = None  # so that nothing is taken meanwhile, and `active` stays what is compared with
        self._missing = self._wait_for_topics(owner, added_destinations(self.active, self._wanted))
        self._ask_again = time.monotonic() + TOPICS_AGAIN_SECONDS
        loaded, found = follow(self.active, self._wanted, without=self._missing)
        if all(change.restart for change in found):
            self._report(found)
            return
        try:
            offer = Offer(loaded, owner.prepare(loaded), found)
        except RouterError as error:
            log.error("reload refused: %s; the last good topology goes on", error)
            metrics.RELOADS.labels("refused").inc()
            self._told(f"reload refused: {SECRETS(str(error))}")
            return
        if owner.at_once:
            self.active = loaded
            self.done(offer)
        elif not self._stopping.wait(owner.delay):
            with self._lock:
                self._offer = offer

    def _wait_for_topics(self, owner: _Owner[T], names: Sequence[str]) -> Collection[str]:
        until = time.monotonic() + TOPICS_SECONDS
        missing = self._without_topics(owner, names)
        while missing and time.monotonic() < until and not self._stopping.wait(_TOPICS_POLL_SECONDS):
            missing = self._without_topics(owner, names)
        return missing

    def _without_topics(self, owner: _Owner[T], names: Collection[str]) -> Collection[str]:
        try:
            return owner.absent(self.active, names) if names else ()
        except Unavailable as error:
            log.debug("topics cannot be asked for: %s", error)
            return names

    # What is logged

    def _report(self, found: Sequence[Change]) -> None:
        waiting = sum(change.restart for change in found)
        outcome = "restart_needed" if waiting else "applied" if found else "unchanged"
        for change in () if self._brief else found:
            if change.restart:
                log.warning("reload: left as it was until a restart: %s", change)
            else:
                log.info("reload: %s", change)
        log.info("reload: %s", outcome.replace("_", " "), extra={"changes": len(found), "waiting": waiting})
        metrics.RELOADS.labels(outcome).inc()

    def _refuse(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            log.log(logging.DEBUG if self._brief else logging.ERROR, "reload refused: %s", problem)
        log.error("reload refused; the last good topology goes on", extra={"problems": len(problems)})
        shown = [SECRETS(str(problem)) for problem in problems[:MOST_TOLD]]
        more = [f"{len(problems) - MOST_TOLD} more"] if len(problems) > MOST_TOLD else []
        self._told(f"reload refused: {'; '.join([*shown, *more])}")
        metrics.RELOADS.labels("refused").inc()

    def _warn(self, loaded: Loaded) -> None:
        if not self._brief:
            for warning in loaded.warnings:
                if warning not in self._wanted.warnings:
                    log.warning("%s", warning)


def without_topics(cluster: Cluster, loaded: Loaded, destinations: Collection[str]) -> list[str]:
    """The destinations that lack a topic, or whose topics differ in their partitions. Raises Unavailable."""
    topics = topics_of(loaded.topology)
    found = Admin(cluster).topics()
    needed = {name: (topics.destination(name), topics.retry(name), topics.dead(name)) for name in destinations}
    counts = {name: {found.get(topic) for topic in needed[name]} for name in destinations}
    return [name for name in destinations if None in counts[name] or len(counts[name]) > 1]
