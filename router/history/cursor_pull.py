"""A pull of the rows whose cursor is at or above the last value: for tables that are too large to be read whole.

The rows of a batch, how far the cursor is and the rows of its last value are one transaction: kill -9 at any point, and
the next pull goes on there. Rows of the last value are asked for again, and those that are known are not sent again. A
bad row is asked for again once its cursor moves. On the embedded broker a batch may come twice, with its messageIds.

Rows that are deleted, and rows that come later with a value below the last, are not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from router.errors import RouterError
from router.events.event import Body
from router.events.records import Record
from router.history.history_import import BadRow
from router.history.pull_cursor import PullCursor, is_finite, kind_of
from router.history.pull_log import PullLog
from router.history.pull_steps import PullCounts, PullSteps, RowChange
from router.history.pulled_rows import content_of

CursorRow = tuple[Any, dict[str, object]]  # the cursor's value as the database has it, and the row


def begin_again(source: str) -> str:
    """What to do where the cursor cannot go on."""
    return f"`router pull {source} --again` begins with the first row"


class CursorPull(PullSteps):
    """`cursor` is where it begins. `_seen` has the rows of the last value, and no others.

    What `known` has of a row is always what was sent of it last, if anything.
    """

    def __init__(self, cursor: PullCursor, *steps: Any) -> None:
        super().__init__(*steps)
        self._cursor = cursor
        self._moved = self._reached = False
        self._place = f"sources.{self._rows.source}.settings.cursor"

    def run(self, answer: Iterable[CursorRow]) -> PullCounts:
        """To the end of the answer, or until it is stopped. Raises RouterError, Fenced, Unavailable."""
        left, begun = iter(answer), self._cursor.value is not None
        while part := list(islice(left, self._most)):
            self._send(self._changes(part))
            if self._stopped():
                return self.counts
        if begun and not self._reached:
            raise RouterError(self._backwards("no row there"))
        self._forget()
        return self._complete()

    def _changes(self, part: Sequence[CursorRow]) -> list[RowChange]:
        changes, bad, counts = list[RowChange](), list[BadRow](), self.counts
        sent: dict[bytes, bytes] = {}  # of this part, by key
        for value, row in part:
            counts.read += 1
            key = self._rows.key(row)
            problem = self._move(value) or self._key_problem(key)
            made = problem or self._rows.event(row, key or b"")
            if isinstance(made, str):
                bad.append(BadRow(counts.read, made))
                continue
            assert key is not None
            content = content_of(made)
            if sent.get(key, self._known.rows.get(key)) == content:
                counts.unchanged += 1
                continue
            sent[key] = content
            changes.append(RowChange(key, content, self._with_id(made, key, content), counts.read))
        self._reject(bad)
        return changes

    def _move(self, value: Any) -> str:
        """To the value of the next row; what is wrong with a row that has none. Raises RouterError."""
        if value is None or not is_finite(value):
            got = "none" if value is None else "no finite number"
            return f"{self._cursor.column}: expected a value of the cursor, got {got}"
        self._reached = True
        if value != self._cursor.value:
            self._check(value, self._cursor.value)
            self._cursor, self._seen, self._moved = replace(self._cursor, value=value), {}, True
        return ""

    def _check(self, value: Any, last: Any) -> None:
        kind = kind_of(value)
        if not kind:
            raise RouterError(
                f"{self._place}: expected a column of numbers, times or texts,"
                f" got another type in {self._cursor.column}"
            )
        if last is None:
            return
        if kind != kind_of(last):
            raise RouterError(
                f"{self._place}: expected {kind_of(last)}, as the last value is, got {kind}: {self._again}"
            )
        if kind != "text" and value < last:  # the order of texts is the database's own
            raise RouterError(self._backwards(f"a lower one in row {self.counts.read}"))

    def _backwards(self, got: str) -> str:
        return (
            f"{self._place}: expected values of {self._cursor.column} at or above the last, got {got}:"
            f" were the newest rows deleted, or is it an older database? {self._again}"
        )

    @property
    def _again(self) -> str:
        return begin_again(self._rows.source)

    def _key_problem(self, key: bytes | None) -> str:
        if key is None:
            return "expected a value in each column of the key, got none"
        first = self._seen.setdefault(key, self.counts.read)
        return "" if first == self.counts.read else f"expected a key that no other row has, got that of row {first}"

    def _with_id(self, event: Body, key: bytes, content: bytes) -> Body:
        version = f"{self._known.pulls + 1}\0{self._cursor.as_dict()['value']}"
        return self._rows.with_id(event, key, content, version.encode())

    def _log(self, log: PullLog, sent: Sequence[RowChange]) -> list[Record]:
        """Rows of the last value are noted; of the others nothing must stand that is not what was sent last."""
        records = [
            log.row(change.key, change.content if change.key in self._seen else None)
            for change in sent if change.key in self._seen or change.key in self._known.rows
        ]  # fmt: skip
        if self._moved or records:
            self._known.cursor = self._cursor
            records.append(log.state(self._known))
        self._moved = False
        return records

    def _note(self, change: RowChange) -> None:
        self.counts.changed += 1
        if change.key in self._seen:
            assert change.content is not None
            self._known.rows[change.key] = change.content
        else:
            self._known.rows.pop(change.key, None)

    def _forget(self) -> None:
        """What lies behind the cursor: it is not asked for again."""
        passed = [key for key in self._known.rows if key not in self._seen]
        for start in range(0, len(passed), self._most):
            some = passed[start : start + self._most]
            if self._output is not None:
                self._output.writer.write([], [self._output.log.row(key, None) for key in some])
            for key in some:
                del self._known.rows[key]
