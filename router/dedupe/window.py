"""The window, the committed part of dedupe's state: 16-byte keys to first receive times, each with a mark."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

MARK_BYTES = 2
NO_MARK = bytes(MARK_BYTES)  # how a mark that is not known is written; it is read as b""
Row = tuple[bytes, int, bytes]  # key, receive time in ms, mark
First = tuple[int, bytes]  # receive time in ms, mark (b"" where it is not known)
MARGIN_MS = 900_000  # of clocks, and of batches that are read again


class Window(Protocol):
    """One a process; keys know no partition. Used by the consuming thread only. Raises StateError."""

    def first_seen(self, keys: list[bytes], now_ms_min: int) -> list[First | None]:
        """The newest first receive time of each key, in ms, and the mark it came with; None for a key that is new.

        `now_ms_min` is the oldest receive time of the batch; times more than a window before it may be left out.
        """

    def write(self, rows: list[Row], checkpoints: dict[int, int]) -> None:
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
