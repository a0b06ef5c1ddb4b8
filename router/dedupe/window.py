"""The window, the committed part of dedupe's state: 16-byte keys to first receive times, each with a mark."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 16
MARK_BYTES = 2
NO_MARK = bytes(MARK_BYTES)  # how a mark that is not known is written; it is read as b""
Row = tuple[bytes, int, bytes]  # key, receive time in ms, mark
First = tuple[int, bytes]  # receive time in ms, mark (b"" where it is not known)
MARGIN_MS = 900_000  # of clocks, and of batches that are read again
KEY, TIME, MARK = np.dtype(f"V{KEY_BYTES}"), np.dtype(np.int64), np.dtype(f"V{MARK_BYTES}")
Keys = NDArray[np.void]


def key_array(keys: Collection[bytes]) -> Keys:
    """Keys in one block of memory. Raises ValueError for other lengths than 16 bytes."""
    joined = b"".join(keys)
    if len(joined) != KEY_BYTES * len(keys):
        raise ValueError(f"expected keys of {KEY_BYTES} bytes, got {len(joined)} bytes for {len(keys)} keys")
    return np.frombuffer(joined, KEY)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows as columns: a batch has thousands, which are sorted, packed and written without an object for each.

    Iterated over, it gives a `Row` each. Marks are NO_MARK where they are not known.
    """

    keys: Keys
    times: NDArray[np.int64]
    marks: NDArray[np.void]

    @classmethod
    def of(cls, keys: Collection[bytes], times: Sequence[int], marks: Sequence[bytes]) -> Rows:
        joined = b"".join([mark or NO_MARK for mark in marks])
        return cls(key_array(keys), np.fromiter(times, TIME, len(times)), np.frombuffer(joined, MARK))

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """All rows of these, in order."""
        if len(parts) < 2:
            return parts[0] if parts else NO_ROWS
        return cls(
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.times for part in parts]),
            np.concatenate([part.marks for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[Row]:
        marks = [b"" if mark == NO_MARK else mark for mark in self.marks.tolist()]
        return zip(self.keys.tolist(), self.times.tolist(), marks, strict=True)

    def at(self, places: NDArray[Any]) -> Rows:
        """The rows at these places, in that order, or those where an array of bools says so."""
        return Rows(self.keys[places], self.times[places], self.marks[places])


NO_ROWS = Rows.of((), (), ())


class Window(Protocol):
    """One a process; keys know no partition. Used by the consuming thread only. Raises StateError."""

    def first_seen(self, keys: list[bytes], now_ms_min: int) -> list[First | None]:
        """The newest first receive time of each key, in ms, and the mark it came with; None for a key that is new.

        `now_ms_min` is the oldest receive time of the batch; times more than a window before it may be left out.
        """

    def write(self, rows: Rows, checkpoints: dict[int, int]) -> None:
        """Rows and the changelog offsets they reach, in one atomic write. Call it after they are committed."""

    def advance(self, watermark_ms: int, owned: Collection[int] | None = None) -> None:
        """Every owned partition has read up to this receive time: drop the rows that no event can ask for.

        The checkpoints of partitions that are not owned go with them: such a partition may lag behind the watermark
        where it is read now, and would miss the dropped rows when it comes back.
        """

    def checkpoint(self, partition: int) -> int | None:
        """The changelog offset that this store has reached, or None."""

    def reset(self, why: str) -> None:
        """Start empty; a restore from the changelog follows."""

    def close(self) -> None:
        """Twice is once."""


def expired_before(watermark_ms: int, window_ms: int) -> int:
    """The receive time before which no event can ask for a row any more: a window and a margin before the watermark."""
    return watermark_ms - window_ms - min(MARGIN_MS, window_ms // 24)
