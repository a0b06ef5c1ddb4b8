"""Imports one file after the other: finds how far each is, takes it over from whoever began it, goes on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from threading import Event

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from router.cli.history.plan import ImportPlan
from router.cli.history.results import BadRows, ImportedFile
from router.config.loader import Loaded
from router.config.topics import topics_of
from router.embedded.capacity import capacity_of
from router.errors import Fenced, RouterError
from router.events.times import iso
from router.history.formats import files_of
from router.history.history_import import BATCH_ROWS, BATCH_ROWS_EMBEDDED, HistoryImport, ImportOutput
from router.history.import_log import ImportLog, ImportState, import_id
from router.history.opening import FileIdentity, identity_of
from router.history.remote_file import HistoryPlace
from router.history.rows import HistoryFile
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.process.run import collecting_rarely
from router.process.signals import stop_on_signals
from router.replay.redrive import Pace
from router.replay.redrive_writer import open_writer


def count(plan: ImportPlan, files: Sequence[HistoryPlace], bad: BadRows) -> Iterator[ImportedFile]:
    """The dry run: every row is read and checked."""
    for file in files_of(files):
        state = _new(plan, file, identity_of(file.path))
        with plan.rows(file) as rows, _progress(file.name) as progress:
            report = partial(bad.add, file.name)
            one = HistoryImport(state, plan.events(state.digest), plan.intake(), None, report, _never)
            one.run(rows, progress)
        yield ImportedFile(file.name, state.rows, state.sent, state.bad, "dry run", one.kinds)


class Imports:
    """Of one command line."""

    def __init__(self, cluster: Cluster, loaded: Loaded, plan: ImportPlan, rate: int | None, *, again: bool) -> None:
        self._cluster = cluster
        self._topology = loaded.topology
        self._topics = topics_of(loaded.topology)
        self._plan = plan
        self._rate = rate
        self._again = again
        self._log = ImportLog(cluster, self._topics.imports)
        self._stop = Event()

    def run(self, files: Sequence[HistoryPlace], bad: BadRows) -> Iterator[ImportedFile]:
        """Raises RouterError for a file that is not the one whose import has begun, and where it is stopped."""
        self._require_topics()
        with stop_on_signals(self._stop), collecting_rarely():
            for file in files_of(files):
                yield self._one(file, bad)
                if self._stop.is_set():
                    raise RouterError("stopped before the end: the same command goes on")

    def _require_topics(self) -> None:
        there = Admin(self._cluster).topics()
        for topic in (self._plan.target.topic, self._topics.imports):
            if topic not in there:
                raise RouterError(
                    f"expected the topic {topic} at {self._cluster.bootstrap}, got none: see router topics apply"
                )

    def _one(self, file: HistoryFile, bad: BadRows) -> ImportedFile:
        wanted = _new(self._plan, file, identity_of(file.path))
        with ExitStack() as stack:
            capacity = stack.enter_context(capacity_of(self._cluster, self._topology))
            writer = open_writer(self._cluster, self._topics.import_transactions(wanted.id), capacity)
            stack.enter_context(closing(writer))  # whoever imported it has come to its end: the log is complete
            state = self._begun(wanted)
            if state.status == "done":
                note = f"imported before, {iso(state.updated)}: {state.sent} events; --again begins anew"
                return ImportedFile(file.name, 0, 0, 0, "done", Counter(), note)
            before = state.rows, state.sent, state.bad
            most = BATCH_ROWS if self._cluster.capabilities.transactions else BATCH_ROWS_EMBEDDED
            pace = Pace(self._rate, time.monotonic, self._stop.wait)
            output = ImportOutput(writer, self._log, pace, min(most, self._rate or most))
            rows = stack.enter_context(self._plan.rows(file))
            progress = stack.enter_context(_progress(file.name))
            report, stopped = partial(bad.add, file.name), self._stop.is_set
            one = HistoryImport(state, self._plan.events(state.digest), self._plan.intake(), output, report, stopped)
            try:
                one.run(rows, progress)
            except Fenced as error:
                raise Fenced(f"another process goes on with {file.name}; no row is sent twice") from error
        return ImportedFile(
            file.name, state.rows - before[0], state.sent - before[1], state.bad - before[2], state.status, one.kinds
        )

    def _begun(self, wanted: ImportState) -> ImportState:
        """The state to go on from. Raises RouterError where the file or the mapping changed in the midst of it."""
        known = self._log.read()
        found = known.get(wanted.id)
        if self._again:
            return wanted
        if found is None:
            for other in known.values():
                if other.file == wanted.file and other.source == wanted.source and other.status == "running":
                    _refuse_changed(other, wanted)
            return wanted
        if found.status == "running" and found.mapping != wanted.mapping:
            raise RouterError(
                f"{wanted.file}: expected the mapping file with which its import began, got another: {found.rows} rows"
                " are read by the other; --again begins anew, and rows sent within the dedupe window come once"
            )
        return found


def _refuse_changed(other: ImportState, wanted: ImportState) -> None:
    if other.only == wanted.only:
        raise RouterError(
            f"{wanted.file}: expected the file whose import began {iso(other.started)} ({other.size} bytes), got a"
            f" changed one ({wanted.size} bytes): {other.rows} rows of the other are read. Finish with the other, or"
            " begin anew with this one: --again"
        )


def _new(plan: ImportPlan, file: HistoryFile, identity: FileIdentity) -> ImportState:
    now, only = int(time.time() * 1000), sorted(plan.only)
    return ImportState(
        id=import_id(identity, plan.source, only), source=plan.source, file=str(file.path.absolute()),
        size=identity.size, digest=identity.digest, only=only, mapping=plan.map_digest, started=now, updated=now,
    )  # fmt: skip


def _never() -> bool:
    return False


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int], object]]:
    """Rows dealt with, on stderr, on a terminal only."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn(name), MofNCompleteColumn(), TextColumn("rows"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda rows: progress.advance(task, rows)
