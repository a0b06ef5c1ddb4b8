"""An import at work: the rows of one file, from where it is, to the topic of a source.

The rows of a batch and how far the file is read are one transaction: kill -9 at any point, and the same command goes on
behind the last row that is there. The report of bad rows is written before that, so some may stand in it twice. On the
embedded broker a batch may come twice; its messageIds are the same, and the router drops the repeats.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from router import metrics
from router.events.event import Body
from router.events.records import Record
from router.history.import_log import ImportLog, ImportState
from router.history.intake import HistoryIntake
from router.history.row_events import RowEvents
from router.history.rows import FileRow
from router.replay.redrive import Pace
from router.replay.redrive_writer import RedriveWriter

BATCH_ROWS = 10_000
BATCH_ROWS_EMBEDDED = 500
BATCH_BYTES = 16 * 1024 * 1024  # about: the rows of a batch are chosen by the size of those before
_FIRST_ROWS = 500


@dataclass(frozen=True)
class BadRow:
    """A row that is not sent: its line, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class ImportOutput:
    """Where the rows go. `rows` is the size of a batch; `pace` waits between batches."""

    writer: RedriveWriter
    log: ImportLog
    pace: Pace
    rows: int = BATCH_ROWS


@dataclass
class _Batch:
    events: list[Body] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    rows: int = 0


class HistoryImport:
    """Changes `state` as it goes. Without an `output` it only counts; `kinds` counts events by type and name.

    `report` gets the bad rows of a batch before it is written, `stopped` is asked between batches.
    """

    def __init__(
        self, state: ImportState, events: RowEvents, intake: HistoryIntake, output: ImportOutput | None,
        report: Callable[[list[BadRow]], object], stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._state = state
        self._events = events
        self._intake = intake
        self._output = output
        self._report = report
        self._stopped = stopped
        self._limit = BATCH_ROWS if output is None else output.rows
        self._most = min(self._limit, _FIRST_ROWS)
        self.kinds: Counter[str] = Counter()

    def run(self, rows: Iterable[FileRow], progress: Callable[[int], object] = int) -> ImportState:
        """To the end, or until it is stopped. Raises FileError, Fenced, Unavailable."""
        state = self._state
        left = iter(rows)
        progress(sum(1 for _ in islice(left, state.rows)))
        while not self._stopped():
            batch = self._read(left, self._most)
            if not batch.rows:
                state.status = "done"
                self._write([])
                if self._output is not None:
                    metrics.IMPORT_LAST.labels(state.source).set_to_current_time()
                return state
            self._take(batch)
            progress(batch.rows)
        return state

    def _read(self, rows: Iterator[FileRow], most: int) -> _Batch:
        batch, before = _Batch(), self._state.rows
        event, events, lines = self._events.event, batch.events, batch.lines
        number = before
        for number, (line, value, problem) in enumerate(islice(rows, most), before + 1):
            made = problem or event(number, value)
            if isinstance(made, str):
                batch.bad.append(BadRow(line, made))
            else:
                events.append(made)
                lines.append(line)
        batch.rows = number - before
        return batch

    def _take(self, batch: _Batch) -> None:
        records, refused = self._intake.take(batch.events)
        batch.bad += [BadRow(batch.lines[one.number], one.reason) for one in refused]
        size = sum(len(record[1]) for record in records) // max(1, len(records))
        self._most = max(1, min(self._limit, BATCH_BYTES // max(1, size)))
        state = self._state
        state.rows += batch.rows
        state.bad += len(batch.bad)
        state.sent += len(records)
        if batch.bad:
            self._report(sorted(batch.bad, key=lambda one: one.line))
        if self._output is None:
            out = {one.number for one in refused}
            self.kinds.update(_kind(event) for number, event in enumerate(batch.events) if number not in out)
            return
        self._output.pace.spend(len(records))
        self._write(records)
        metrics.IMPORT_ROWS.labels(state.source, "sent").inc(len(records))
        metrics.IMPORT_ROWS.labels(state.source, "bad").inc(len(batch.bad))

    def _write(self, records: list[Record]) -> None:
        if self._output is not None:
            self._state.updated = int(time.time() * 1000)
            self._output.writer.write(records, [self._output.log.record(self._state)])


def _kind(event: Body) -> str:
    return f"{event.get('type')} {event.get('event') or event.get('name') or ''}".strip()
