"""A pull at work: the rows of a query that are new or changed, and those that are gone, to the topic of a source.

The rows of a batch and what is known of them are one transaction: kill -9 at any point, and the next pull sends what is
left. A bad row is not known afterwards, and tried again each time. On the embedded broker a batch may come twice; its
messageIds are the same, and the router drops the repeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from router.errors import RouterError
from router.events.event import Body
from router.history.history_import import BadRow
from router.history.pull_steps import PullCounts, PullSteps, RowChange
from router.history.pulled_rows import content_of

GONE = b"gone"


class Pull(PullSteps):
    """All rows of a query, compared with those that are known."""

    def run(self, answer: Iterable[dict[str, object]]) -> PullCounts:
        """To the end of the query's answer, or until it is stopped. Raises RouterError, Fenced, Unavailable."""
        self._known.cursor = None
        left = iter(answer)
        while part := list(islice(left, self._most)):
            self._send(self._changes(part))
            if self._stopped():
                return self.counts
        if self._rows.reports_deleted and not self._send_gone():
            return self.counts
        return self._complete()

    def _changes(self, part: Sequence[dict[str, object]]) -> list[RowChange]:
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

    def _change(self, key: bytes, event: Body) -> RowChange | None:
        """None where the event of the row is the one that was sent."""
        content = content_of(event)
        if self._known.rows.get(key) == content:
            return None
        return RowChange(key, content, self._rows.with_id(event, key, content, self._version), self.counts.read)

    @property
    def _version(self) -> bytes:
        return b"%d" % (self._known.pulls + 1)

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
                    event = self._rows.with_id(made, key, GONE, self._version)
                    changes.append(RowChange(key, None, event, 0))
            self._reject(bad)
            self._send(changes)
            if self._stopped():
                return False
        return True

    def _note(self, change: RowChange) -> None:
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
