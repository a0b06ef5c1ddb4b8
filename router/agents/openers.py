"""How many objects and arrays each of many JSON values opens: a bound of its depth, without parsing it.

numpy counts a block of values at once, in time that hardly depends on what they hold; `bytes.count` takes 1 to 2 µs
for one event.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

BLOCK = 128  # values whose bytes fit the processor's cache together
_BRACE = ord("{")
_CASE = 0x20  # the one bit in which [ and { differ


def openers(values: Sequence[bytes | None]) -> list[int]:
    """The number of `{` and `[` in each value, those inside strings among them."""
    blocks = [_count([value or b"" for value in values[at : at + BLOCK]]) for at in range(0, len(values), BLOCK)]
    return list(chain.from_iterable(blocks))


def _count(values: list[bytes]) -> list[int]:
    text = np.frombuffer(b"".join(values), dtype=np.uint8)
    places = np.flatnonzero((text | _CASE) == _BRACE)
    ends = np.cumsum([len(value) for value in values])
    counts: list[int] = np.diff(np.searchsorted(places, ends), prepend=0).tolist()
    return counts
