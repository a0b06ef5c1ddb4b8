"""Runs pulls of one source: takes it over from whoever pulls it, asks the database, sends; or only counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from threading import Event
from typing import Any, Protocol

import orjson
import typer

from router.cli import report
from router.cli.history.database import Database
from router.cli.history.results import BadRows
from router.cli.report import counted
from router.config.loader import Loaded
from router.config.topics import topics_of
from router.embedded.capacity import capacity_of
from router.errors import Fenced, RouterError
from router.history.cursor_pull import CursorPull, begin_again
from router.history.history_import import BATCH_ROWS, BATCH_ROWS_EMBEDDED, BadRow
from router.history.intake import HistoryIntake
from router.history.pull import Pull
from router.history.pull_cursor import PullCursor
from router.history.pull_log import KnownRows, PullLog
from router.history.pull_steps import OUTCOMES, PullCounts, PullOutput, PullSteps
from router.history.sql_query import QueryRows
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.process.run import collecting_rarely
from router.replay.redrive import Pace
from router.replay.redrive_writer import open_writer


class BadRowReport(Protocol):
    """What bad rows are given to."""

    def add(self, file: str, rows: Sequence[BadRow]) -> None: ...


class Pulls:
    """`question` is the SQL of the last pull, `shown` the first events of the last that was only counted."""

    def __init__(self, cluster: Cluster, loaded: Loaded, database: Database, rate: int | None, stop: Event) -> None:
        self._cluster = cluster
        self._topology = loaded.topology
        self._topics = topics_of(loaded.topology)
        self._rate = rate
        self._stop = stop
        self._log = PullLog(cluster, self._topics.pulls, database.source)
        self.database = database
        self.question = ""
        self.shown: list[dict[str, Any]] = []

    def last(self) -> int:
        """When a pull came to its end last, in ms since 1970; 0: none did. Raises RouterError, Unavailable."""
        self._require_topics()
        return self._log.read().at

    def count(self, bad: BadRowReport, *, again: bool = False) -> PullCounts:
        """The dry run."""
        self._require_topics()
        known = self._log.read()
        if again:
            known.forget()
        with self.database.asked() as ask:
            one = self._pulled(known, ask, None, bad)
        self.shown = one.events
        return one.counts

    def run(self, bad: BadRowReport, *, again: bool = False) -> PullCounts:
        """`again` forgets what was pulled before.

        Raises RouterError, Fenced where another process pulls the source, Unavailable.
        """
        self._require_topics()
        with ExitStack() as stack:
            stack.enter_context(collecting_rarely())
            capacity = stack.enter_context(capacity_of(self._cluster, self._topology))
            ask = stack.enter_context(self.database.asked())
            writer = open_writer(self._cluster, self._topics.pull_transactions(self.database.source), capacity)
            stack.enter_context(closing(writer))  # whoever pulled it has come to its end: the log is complete
            most = BATCH_ROWS if self._cluster.capabilities.transactions else BATCH_ROWS_EMBEDDED
            pace = Pace(self._rate, time.monotonic, self._stop.wait)
            output = PullOutput(writer, self._log, pace, min(most, self._rate or most))
            try:
                known = self._log.read()
                if again:
                    output.forget(known)
                return self._pulled(known, ask, output, bad).counts
            except Fenced as error:
                raise Fenced(f"another process pulls {self.database.source}; no row is sent twice") from error

    def _pulled(
        self, known: KnownRows, ask: Callable[[PullCursor | None], QueryRows], output: PullOutput | None,
        bad: BadRowReport,
    ) -> PullSteps:  # fmt: skip
        """A pull that has run."""
        database = self.database
        intake = HistoryIntake(self._topology, database.source, database.target.topic, database.target.write_key)
        report = partial(bad.add, f"{database.source}: row")
        steps = database.rows(), known, intake, output, report, self._stop.is_set
        cursor = self._cursor(known)
        self.question = database.question(cursor)
        if cursor is None:
            whole = Pull(*steps)
            whole.run(ask(None).rows)
            return whole
        newer = CursorPull(cursor, *steps)
        newer.run(ask(cursor).with_value(cursor.column))
        return newer

    def _cursor(self, known: KnownRows) -> PullCursor | None:
        """Where the next pull begins; None without a cursor. Raises RouterError where it was another column before."""
        column = self.database.settings.cursor
        if column is None or known.cursor is None:
            return PullCursor(column) if column else None
        if known.cursor.column != column:
            raise RouterError(
                f"sources.{self.database.source}.settings.cursor: expected {known.cursor.column}, as in the pulls"
                f" before, got {column}: {begin_again(self.database.source)}"
            )
        return known.cursor

    def _require_topics(self) -> None:
        there = Admin(self._cluster).topics()
        for topic in (self.database.target.topic, self._topics.pulls):
            if topic not in there:
                raise RouterError(
                    f"expected the topic {topic} at {self._cluster.bootstrap}, got none: see router topics apply"
                )


def as_dict(database: Database, counts: PullCounts) -> dict[str, Any]:
    found = {name: getattr(counts, name) for name in (*OUTCOMES, "read", "complete")}
    return {"source": database.source, "topic": database.target.topic, **found}


def in_words(database: Database, counts: PullCounts, verb: str = "sent") -> str:
    found = f"{counts.new} new, {counts.changed} changed, {counts.gone} gone"
    if database.settings.cursor is not None:
        found = f"{counts.changed} new or changed"
    return (
        f"{database.source}: {counted(counts.read, 'row')}: {found}: {verb} to {database.target.topic};"
        f" {counts.unchanged} unchanged" + (f", {counts.bad} bad" if counts.bad else "")
    )


def answer(pulls: Pulls, counts: PullCounts, bad: BadRows, *, dry_run: bool, as_json: bool) -> None:
    """Prints it; ends with status 1 for bad rows. Raises RouterError for a pull that was stopped."""
    if as_json:
        errors = [row.as_dict() for row in bad.found]
        asked = {"query": pulls.question} if dry_run else {}
        report.current().answer({**as_dict(pulls.database, counts), "dry_run": dry_run, **asked, "errors": errors})
    else:
        if dry_run:
            typer.echo(pulls.question + "\n")
        for event in pulls.shown:
            typer.echo(orjson.dumps(event).decode())
        typer.echo(in_words(pulls.database, counts, "would be sent" if dry_run else "sent"))
    if not counts.complete:
        raise RouterError("stopped before the end: the next pull sends what is left")
    if counts.bad:
        raise typer.Exit(1)
