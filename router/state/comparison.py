"""How a worker's store compares with the log that it is made from, up to where the store says it reaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Record = tuple[bytes, bytes]


@dataclass(slots=True)
class Comparison:
    """`checked` rows of the log: `missing` are not in the store, `different` have another value there.

    `expired` rows were not looked up; `extra` rows are in the store and not in the log.
    """

    checked: int = 0
    missing: int = 0
    different: int = 0
    extra: int = 0
    expired: int = 0

    @property
    def same(self) -> bool:
        return not (self.missing or self.different or self.extra)


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
