"""How deep values may be nested at most, told from their bytes: many at once, without parsing one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

BLOCK = 128  # values whose bytes fit the processor's cache together
UNKNOWN = 1 << 40  # a bound beyond every limit of depth
_BRACE = ord("{")
_CASE = 0x20  # the one bit in which [ and { differ
_BRACKET, _CLOSING, _BLANK = ord("["), ord("]"), ord(" ")
_HIGH_BITS, _FOUR_DIGITS = np.uint32(0xF0F0F0F0), np.uint32(0x30303030)
_Bytes = npt.NDArray[np.uint8]
_Places = npt.NDArray[np.intp]


def nesting_bounds(values: Sequence[bytes | None]) -> list[int]:
    """An upper bound of each value's depth without parsing it: the number of `{` and `[` in it, also inside strings.

    It is UNKNOWN where the parser of the fast way may not do: for whole numbers beyond 64 bits, which it changes, and
    for empty lists, which may be meant as objects. numpy looks at a block of values at once, whatever they hold;
    `bytes.count` takes 1 to 2 µs for one event.
    """
    blocks = [_bounds([value or b"" for value in values[at : at + BLOCK]]) for at in range(0, len(values), BLOCK)]
    return list(chain.from_iterable(blocks))


def _bounds(values: list[bytes]) -> list[int]:
    data = b"".join(values)
    text = np.frombuffer(data, dtype=np.uint8)
    places = np.flatnonzero((text | _CASE) == _BRACE)
    ends = np.cumsum([len(value) for value in values])
    bounds = np.diff(np.searchsorted(places, ends), prepend=0)
    for suspects in (_empty_lists(text, places), _long_numbers(data)):
        if len(suspects):
            bounds[np.searchsorted(ends, suspects, side="right")] = UNKNOWN
    found: list[int] = bounds.tolist()
    return found


def _empty_lists(text: _Bytes, places: _Places) -> _Places:
    """Where a `]` or a blank follows a `[`."""
    behind = text[np.minimum(places + 1, len(text) - 1)]
    found: _Places = places[(behind == _CLOSING) | ((behind <= _BLANK) & (text[places] == _BRACKET))]
    return found


def _long_numbers(data: bytes) -> _Places:
    """Where 19 digits or more may stand in a row: such a row holds four times four bytes at a multiple of four.

    The bytes from `:` to `?` are taken for digits too, since they differ from them in the low bits only.
    """
    fours = np.frombuffer(data, dtype=np.uint32, count=len(data) >> 2)
    digits = (fours & _HIGH_BITS) == _FOUR_DIGITS
    eights = digits[:-1] & digits[1:]
    found: _Places = 4 * np.flatnonzero(eights[:-2] & eights[2:])
    return found
