"""How many bytes the newest messages of a partition hold, from what this process has sent there."""

from __future__ import annotations

from collections import deque

SLOT_SECONDS = 0.05
_WEIGHT = 1 / 64  # of a new message in the running mean


class Sizes:
    """Counts and bytes noted for one partition, in slots of 50 ms, oldest first. Times are seconds, monotonic."""

    def __init__(self) -> None:
        self._slots: deque[tuple[float, int, int]] = deque()
        self.mean = 0.0

    def note(self, size: int, now: float) -> None:
        self.mean = self.mean + (size - self.mean) * _WEIGHT if self.mean else float(size)
        slot = now - now % SLOT_SECONDS
        if self._slots and self._slots[-1][0] == slot:
            _, messages, total = self._slots.pop()
            self._slots.append((slot, messages + 1, total + size))
        else:
            self._slots.append((slot, 1, size))

    def newest(self, messages: int, since: float, otherwise: float) -> float:
        """Bytes of the newest `messages`, and of all noted after `since`; what was not noted counts `otherwise` each.

        A slot counts whole, so this errs upwards.
        """
        counted, total = 0, 0.0
        for slot, count, size in reversed(self._slots):
            if counted >= messages and slot < since:
                break
            counted, total = counted + count, total + size
        return total + max(0, messages - counted) * otherwise

    def forget(self, messages: int, since: float) -> None:
        """Drop what `newest` would never look at with these or smaller arguments."""
        newer = sum(count for _, count, _ in self._slots)
        while self._slots and self._slots[0][0] < since and newer - self._slots[0][1] >= messages:
            newer -= self._slots.popleft()[1]
