"""What is said of loads: metrics, and one line in the log for each table or column that does not get all its values."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from router import metrics
from router.warehouse.load import LoadCounts

_MOST_SAID = 1_000
_REASONS = {
    "type": "the value is of another type than the column",
    "name_taken": "another value of the event has that column",
    "too_many_columns": "the table has all the columns that it may have",
}

log = logging.getLogger(__name__)


class LoadReport:
    """Of one destination."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._said: set[tuple[str, ...]] = set()

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Around a load, whatever becomes of it."""
        began = time.monotonic()
        outcome = "failed"
        try:
            yield
            outcome = "committed"
        finally:
            metrics.WAREHOUSE_LOADS.labels(self._name, outcome).inc()
            metrics.WAREHOUSE_LOAD_SECONDS.labels(self._name).observe(time.monotonic() - began)

    def loaded(self, counts: LoadCounts) -> None:
        metrics.WAREHOUSE_LAST_LOAD.labels(self._name).set_to_current_time()
        for outcome, count in counts.rows.items():
            metrics.WAREHOUSE_ROWS.labels(self._name, outcome).inc(count)
        for change, count in counts.changes.items():
            metrics.WAREHOUSE_CHANGES.labels(self._name, change).inc(count)
        for one in counts.discards:
            metrics.WAREHOUSE_DISCARDS.labels(self._name, one.reason).inc()
            self._once("values go to the table discards", table=one.table, column=one.column, why=_REASONS[one.reason])
        for schema, table in counts.full:
            self._once("a table has four fifths of the columns that it may have", schema=schema, table=table)
        for schema, table in counts.shared:
            self._once("several event names share a table: event_text tells them apart", schema=schema, table=table)

    def _once(self, message: str, **fields: str) -> None:
        key = (message, *fields.values())
        if key not in self._said and len(self._said) < _MOST_SAID:
            self._said.add(key)
            log.warning(message, extra={"destination": self._name, **fields})
