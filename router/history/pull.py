"""A pull at work: the rows of a query that are new or changed, and those that are gone, to the topic of a source.

The rows of a batch and what is known of them are one transaction: kill -9 at any point, and the next pull sends what is
left. A bad row is not known afterwards, and tried again each time. On the embedded broker a batch may come twice; its
messageIds are the same, and the router drops the repeats.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from router import metrics
from router.errors import RouterError
from router.events.event import Body
from router.events.records import Record
from router.history.history_import import BATCH_ROWS, BadRow
from router.history.intake import HistoryIntake
from router.history.pull_log import KnownRows, PullLog
from router.history.pulled_rows import PulledRows, content_of
from router.replay.redrive import Pace
from router.replay.redrive_writer import RedriveWriter

GONE = b"gone"
OUTCOMES = ("new", "changed", "unchanged", "gone", "bad")  # of a row


@dataclass(frozen=True)
class PullOutput:
    """Where the rows go. `rows` is the size of a batch; `pace` waits between batches."""

    writer: RedriveWriter
    log: PullLog
    pace: Pace
    rows: int = BATCH_ROWS


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
class _Change:
    """An event to be sent; `content` is None where the row is gone, `number` that of the row, from 1."""

    key: bytes
    content: bytes | None
    event: Body
    number: int


class Pull:
    """Changes `known` as it goes. Without an `output` it only counts.

    `report` gets bad rows by their number in the query's answer, `stopped` is asked between batches.
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
        self._seen: dict[bytes, int] = {}
        self._most = BATCH_ROWS if output is None else output.rows
        self._shown: Counter[str] = Counter()
        self.counts = PullCounts()
        self.events: list[Body] = []  # the first that were sent, or would be

    def run(self, answer: Iterable[dict[str, object]]) -> PullCounts:
        """To the end of the query's answer, or until it is stopped. Raises RouterError, Fenced, Unavailable."""
        left = iter(answer)
        while part := list(islice(left, self._most)):
            self._send(self._changes(part))
            self._show()
            if self._stopped():
                return self.counts
        if self._rows.reports_deleted and not self._send_gone():
            return self.counts
        self._known.pulls += 1
        self.counts.complete = True
        if self._output is not None:
            now = time.time()
            self._output.writer.write([], [self._output.log.end(self._known.pulls, int(now * 1000))])
            metrics.PULLS.labels(self._rows.source, "complete").inc()
            metrics.PULL_LAST.labels(self._rows.source).set(now)
        return self.counts

    def _show(self) -> None:
        """On the metrics page, what was done since the last time; nothing of a dry run."""
        if self._output is None:
            return
        for name in OUTCOMES:
            more = getattr(self.counts, name) - self._shown[name]
            if more:
                metrics.PULL_ROWS.labels(self._rows.source, name).inc(more)
                self._shown[name] += more

    def _changes(self, part: Sequence[dict[str, object]]) -> list[_Change]:
        changes, bad, counts = [], list[BadRow](), self.counts
        for row in part:
            counts.read += 1
            key = self._rows.key(row)
            problem = self._key_problem(key, counts.read)
            made = problem or self._rows.event(row, key or b"")
            if isinstance(made, str):
                bad.append(BadRow(counts.read, made))
            elif (change := self._change(key or b"", made)) is not None:
                changes.append(change)
            else:
                counts.unchanged += 1
        self._reject(bad)
        return changes

    def _key_problem(self, key: bytes | None, number: int) -> str:
        """A row is seen by its key even where nothing else of it can be read: it is not gone."""
        if key is None:
            return "expected a value in each column of the key, got none"
        first = self._seen.setdefault(key, number)
        return "" if first == number else f"expected a key that no other row has, got that of row {first}"

    def _change(self, key: bytes, event: Body) -> _Change | None:
        """None where the event of the row is the one that was sent."""
        content = content_of(event)
        if self._known.rows.get(key) == content:
            return None
        return _Change(key, content, self._rows.with_id(event, key, content, self._known.pulls + 1), self.counts.read)

    def _send_gone(self) -> bool:
        """False when it was stopped. An empty answer says more likely that the query is wrong than that all is gone."""
        gone = [key for key in self._known.rows if key not in self._seen]
        if gone and not self._seen:
            raise RouterError(f"expected rows, got none where {len(gone)} were known: they are not taken for deleted")
        for start in range(0, len(gone), self._most):
            changes, bad = [], list[BadRow]()
            for key in gone[start : start + self._most]:
                made = self._rows.gone(key)
                if isinstance(made, str):
                    bad.append(BadRow(0, made))
                else:
                    event = self._rows.with_id(made, key, GONE, self._known.pulls + 1)
                    changes.append(_Change(key, None, event, 0))
            self._reject(bad)
            self._send(changes)
            self._show()
            if self._stopped():
                return False
        return True

    def _send(self, changes: Sequence[_Change]) -> None:
        records, refused = self._intake.take([change.event for change in changes])
        self._reject([BadRow(changes[one.number].number, one.reason) for one in refused])
        out = {one.number for one in refused}
        sent = [change for number, change in enumerate(changes) if number not in out]
        if sent:
            self._write(records, sent)
        for change in sent:
            self._note(change)

    def _write(self, records: Sequence[Record], sent: Sequence[_Change]) -> None:
        if self._output is None:
            self.events += [change.event for change in sent[: 10 - len(self.events)]]
            return
        self._output.pace.spend(len(records))
        self._output.writer.write(records, [self._output.log.row(change.key, change.content) for change in sent])

    def _note(self, change: _Change) -> None:
        counts, rows = self.counts, self._known.rows
        if change.content is None:
            rows.pop(change.key, None)
            counts.gone += 1
            return
        if change.key in rows:
            counts.changed += 1
        else:
            counts.new += 1
        rows[change.key] = change.content

    def _reject(self, bad: list[BadRow]) -> None:
        self.counts.bad += len(bad)
        if bad:
            self._report(bad)
