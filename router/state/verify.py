"""Compares a worker's stores with the logs they are made from, up to where each says it reaches.

A row of the changelog below the checkpoint must be in the window with the same time, unless it is old enough to have
been dropped. An identity replica must be, byte for byte, what the log comes to when it is read anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from router.state.inspect import WindowReader
from router.state.window import Row

Record = tuple[bytes, bytes]


@dataclass(slots=True)
class Comparison:
    """`checked` rows of the log: `missing` are not in the store, `different` have another value there.

    `expired` were not asked for; `extra` are in the store and not in the log.
    """

    checked: int = 0
    missing: int = 0
    different: int = 0
    extra: int = 0
    expired: int = 0

    @property
    def same(self) -> bool:
        return not (self.missing or self.different or self.extra)


def compare_window(window: WindowReader, rows: Sequence[Row], into: Comparison) -> None:
    """Hold rows of the changelog, all below the checkpoint, against the window."""
    wanted = [row for row in rows if row[1] >= window.floor_ms]
    into.expired += len(rows) - len(wanted)
    into.checked += len(wanted)
    for (_, at), found in zip(wanted, window.times(wanted), strict=True):
        if found is None:
            into.missing += 1
        elif found != at:
            into.different += 1


def compare_states(expected: Iterator[Record], found: Iterator[Record]) -> Comparison:
    """Two states in key order, side by side."""
    outcome = Comparison()
    left, right = next(expected, None), next(found, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            outcome.checked += 1
            outcome.missing += 1
            left = next(expected, None)
        elif left is None or right[0] < left[0]:
            outcome.extra += 1
            right = next(found, None)
        else:
            outcome.checked += 1
            outcome.different += left[1] != right[1]
            left, right = next(expected, None), next(found, None)
    return outcome
