"""What is usual at an hour: what was counted then on the seven days before, for each step of a trend. Pure."""

from __future__ import annotations

import numpy as np

from router.insights.windows import DAY_MS, HOUR_MS, HOURS, CountTable

DAYS, FEWEST_DAYS = 7, 3


def usual_steps(table: CountTable, column: str, since: int, step: int, steps: int, began: int) -> list[list[float]]:
    """Of each step the counts of a time as long on those days, as far as they lie after `began` and are kept.

    By the hour: of a shorter step its part of the hour. Empty with under three days, and for steps of a day or more.
    Times in ms.
    """
    earliest = table.earliest(HOURS)
    if step >= DAY_MS or earliest is None:
        return [[] for _ in range(steps)]
    known = max(earliest, began + -began % HOUR_MS)
    first = since - since % HOUR_MS - DAYS * DAY_MS
    hours = -(-(since + steps * step - first) // HOUR_MS)
    rows = table.read(HOURS, first, first + hours * HOUR_MS, HOUR_MS).values()
    counted = sum((row[:, table.column(column)] for row in rows), np.zeros(hours, np.int64))
    length = max(1, round(step / HOUR_MS))
    found = []
    for start in range(since, since + steps * step, step):
        places = [(start - days * DAY_MS - first) // HOUR_MS for days in range(1, DAYS + 1)]
        kept = [at for at in places if first + at * HOUR_MS >= known and at + length <= hours]
        counts = [float(counted[at : at + length].sum()) * step / (length * HOUR_MS) for at in kept]
        found.append(counts if len(counts) >= FEWEST_DAYS else [])
    return found
