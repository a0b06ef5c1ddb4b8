"""Which events of one partition are final, in the order they were consumed, and where the partition may be committed.

Offsets have gaps (transaction markers, aborted records), so "contiguous" means the order consumed. `low`, what is
committed, never passes an event that is not final. Events beyond it that are final ride in the commit's metadata, so
that kill -9 repeats only what was in flight.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from router.kafka import offset_metadata
from router.kafka.offset_metadata import MetadataError, not_ours, pack_offsets, unpack_offsets

SPAN = 16_384  # offsets past the first unfinished one, after which a partition waits; their bitmap fits the metadata

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """Final events of one partition, since its first, how many of them were redriven, and apart from them those that
    replays sent. Encoded: `{"n": [delivered, dead, filtered], "redriven": …, "replayed": [delivered, dead, filtered],
    "done": …}`, without `filtered`, `redriven` and `replayed` while they are 0.
    """

    delivered: int = 0
    dead: int = 0
    filtered: int = 0
    redriven: int = 0
    replay_delivered: int = 0
    replay_dead: int = 0
    replay_filtered: int = 0

    def encode(self, low: int, finished: Iterable[int]) -> str:
        """Metadata for a commit at `low` with these final offsets beyond it; what does not fit would be sent again."""
        data: dict[str, object] = {"n": [self.delivered, self.dead, *([self.filtered] if self.filtered else [])]}
        if self.redriven:
            data["redriven"] = self.redriven
        if any(replayed := [self.replay_delivered, self.replay_dead, self.replay_filtered]):
            data["replayed"] = replayed
        if done := pack_offsets(low, finished):
            data["done"] = done
        return offset_metadata.encode(data)


def decode(metadata: str, low: int) -> tuple[Counts, list[int]]:
    """Counts and final offsets from the metadata of a commit at `low`.

    Metadata that is not ours (an operator has moved the group) counts from zero, with a warning.
    """
    try:
        data = offset_metadata.decode(metadata)
        if data is None:
            return Counts(), []
        try:
            delivered, dead, *filtered = map(int, data["n"])
            redriven = int(data.get("redriven", 0))
            replay_delivered, replay_dead, replay_filtered = map(int, data.get("replayed", (0, 0, 0)))
            done = data.get("done", "")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise not_ours(error) from error
        counts = Counts(
            delivered, dead, sum(filtered), redriven, replay_delivered, replay_dead, replay_filtered
        )  # fmt: skip
        return counts, unpack_offsets(low, done)
    except MetadataError as error:
        log.warning("%s: its counts begin again", error)
        return Counts(), []


class Tracker:
    """Of one partition, from its assignment to its revocation.

    `start` is the committed offset, None when there is none; `done` are the offsets beyond it that its metadata names
    as final. `low` is the first offset that is not final, `next` the one after the last taken; None while unknown.
    """

    __slots__ = ("_before", "_final", "_order", "low", "next")

    def __init__(self, start: int | None = None, done: Iterable[int] = ()) -> None:
        self.low = self.next = start
        self._order: deque[int] = deque()
        self._final: set[int] = set()
        self._before = set(done)

    @property
    def span(self) -> int:
        """Offsets between the first that is not final and the last taken. Safe to read from another thread."""
        low, following = self.low, self.next
        return following - low if low is not None and following is not None else 0

    def skip(self, offsets: Iterable[int]) -> None:
        """These count as final in an earlier life, where they are still to come."""
        following = self.next or 0
        self._before.update(offset for offset in offsets if offset >= following)

    def take(self, offset: int) -> bool:
        """Note an event as consumed. False: it was final in an earlier life and must not be sent again."""
        self.next = offset + 1
        if offset not in self._before:
            if not self._order:
                self.low = offset
            self._order.append(offset)
            return True
        self._before.discard(offset)
        if self._order:
            self._order.append(offset)
            self._final.add(offset)
        else:
            self.low = self.next
        return False

    def finish(self, offset: int) -> None:
        """An event that was taken is final."""
        order, final = self._order, self._final
        if order and order[0] == offset:
            order.popleft()
        else:
            final.add(offset)
        while final and order and order[0] in final:
            final.discard(order.popleft())
        self.low = order[0] if order else self.next

    def reach(self, offset: int) -> bool:
        """Nothing is left to consume before `offset`. True when that moves what may be committed."""
        if self.next is not None and offset <= self.next:
            return False
        self.next = offset
        self._before = {one for one in self._before if one >= offset}
        if self._order:
            return False
        self.low = offset
        return True

    def finished(self) -> list[int]:
        """Final offsets beyond `low`, those from an earlier life included, in no order."""
        following = self.next or 0
        return [*self._final, *(offset for offset in self._before if offset >= following)]
