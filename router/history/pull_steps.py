"""What a pull consists of, whichever rows it asks for: changes sent with what is known of them, counted and shown."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from router import metrics
from router.events.event import Body
from router.events.records import Record
from router.history.history_import import BATCH_ROWS, BadRow
from router.history.intake import HistoryIntake
from router.history.pull_log import KnownRows, PullLog
from router.history.pulled_rows import PulledRows
from router.replay.redrive import Pace
from router.replay.redrive_writer import RedriveWriter

OUTCOMES = ("new", "changed", "unchanged", "gone", "bad")  # of a row


@dataclass(frozen=True)
class PullOutput:
    """Where the rows go. `rows` is the size of a batch; `pace` waits between batches."""

    writer: RedriveWriter
    log: PullLog
    pace: Pace
    rows: int = BATCH_ROWS

    def forget(self, known: KnownRows) -> None:
        """What was pulled. kill -9 leaves a part of it, to be forgotten again."""
        keys = list(known.rows)
        for start in range(0, len(keys), self.rows):
            self.writer.write([], [self.log.row(key, None) for key in keys[start : start + self.rows]])
        known.forget()
        self.writer.write([], [self.log.state(known)])


@dataclass
class PullCounts:
    """Rows by what became of them; `unchanged` ones are not sent. `complete`: the pull came to its end."""

    read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    gone: int = 0
    bad: int = 0
    complete: bool = False

    @property
    def sent(self) -> int:
        return self.new + self.changed + self.gone


@dataclass(frozen=True)
class RowChange:
    """An event to be sent; `content` is None where the row is gone, `number` that of the row, from 1."""

    key: bytes
    content: bytes | None
    event: Body
    number: int


class PullSteps:
    """What pulls have in common: changes are sent, counted and shown. Changes `known` as it goes.

    Without an `output` it only counts. `report` gets bad rows by their number in the query's answer, `stopped` is asked
    between batches.
    """

    def __init__(
        self, rows: PulledRows, known: KnownRows, intake: HistoryIntake, output: PullOutput | None,
        report: Callable[[list[BadRow]], object], stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._rows = rows
        self._known = known
        self._intake = intake
        self._output = output
        self._report = report
        self._stopped = stopped
        self._seen: dict[bytes, int] = {}  # the numbers of rows by key
        self._most = BATCH_ROWS if output is None else output.rows
        self._shown: Counter[str] = Counter()
        self.counts = PullCounts()
        self.events: list[Body] = []  # the first that were sent, or would be

    def _log(self, log: PullLog, sent: Sequence[RowChange]) -> list[Record]:
        """What to write together with these changes."""
        return [log.row(change.key, change.content) for change in sent]

    def _note(self, change: RowChange) -> None:
        """It is sent."""
        raise NotImplementedError

    def _send(self, changes: Sequence[RowChange]) -> None:
        records, refused = self._intake.take([change.event for change in changes])
        self._reject([BadRow(changes[one.number].number, one.reason) for one in refused])
        out = {one.number for one in refused}
        sent = [change for number, change in enumerate(changes) if number not in out]
        self._write(records, sent)
        for change in sent:
            self._note(change)
        self._show()

    def _write(self, records: Sequence[Record], sent: Sequence[RowChange]) -> None:
        if self._output is None:
            self.events += [change.event for change in sent[: 10 - len(self.events)]]
            return
        log = self._log(self._output.log, sent)
        if log:
            self._output.pace.spend(len(records))
            self._output.writer.write(records, log)

    def _show(self) -> None:
        """On the metrics page, what was done since the last time; nothing of a dry run."""
        if self._output is None:
            return
        for name in OUTCOMES:
            more = getattr(self.counts, name) - self._shown[name]
            if more:
                metrics.PULL_ROWS.labels(self._rows.source, name).inc(more)
                self._shown[name] += more

    def _reject(self, bad: list[BadRow]) -> None:
        self.counts.bad += len(bad)
        if bad:
            self._report(bad)

    def _complete(self) -> PullCounts:
        self._known.pulls += 1
        self.counts.complete = True
        if self._output is not None:
            now = time.time()
            self._known.at = int(now * 1000)
            self._output.writer.write([], [self._output.log.state(self._known)])
            metrics.PULLS.labels(self._rows.source, "complete").inc()
            metrics.PULL_LAST.labels(self._rows.source).set(now)
        return self.counts
