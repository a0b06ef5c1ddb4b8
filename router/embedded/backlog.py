"""What is outstanding on the embedded broker, which silently drops a partition's oldest batches beyond 5 MiB.

Watches topics with the groups that read them; a writer checks `free` first and holds back (or answers 503) while it is
false. A writer killed -9 takes only its notes of sizes with it: its next life reads what is outstanding to know them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from router.embedded.measure import message_sizes
from router.embedded.sizes import Sizes
from router.errors import RouterError
from router.kafka.admin import Admin, Watermarks
from router.kafka.cluster import Cluster
from router.kafka.offsets import GroupOffsets, PartitionKey

# Of 5 MiB and 100,000 batches. The rest is for what is on its way while the offsets are being looked at.
LIMIT_BYTES = 3 * 1024 * 1024
LIMIT_MESSAGES = 60_000
BUSY_SECONDS = 0.15  # between two looks
IDLE_SECONDS = 0.6
STALE_SECONDS = 3.0
MEASURE_SECONDS = 30.0
FRESH_SECONDS = 1.0  # noted so shortly before a look, a message may be on its way: it counts whatever the look says
ASSUMED_BYTES = 1_024  # of a message, while none has been noted
OVERHEAD_BYTES = 128  # of a message alone in its batch, with a key and three headers

NEVER = float("-inf")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outstanding:
    """Not yet committed by one group in one partition; `lost` were dropped by the broker before the group had them."""

    messages: int
    bytes: int
    lost: int


class Backlog:
    """Thread-safe. `start` looks in a thread of its own; `look` does it on demand."""

    def __init__(
        self,
        cluster: Cluster,
        watched: Iterable[tuple[str, str]],
        *,
        limit_bytes: int = LIMIT_BYTES,
        limit_messages: int = LIMIT_MESSAGES,
    ) -> None:
        """`watched`: (topic, group that reads it)."""
        self._cluster = cluster
        self._admin = Admin(cluster, timeout=STALE_SECONDS)
        self._watched = tuple(watched)
        self._offsets: dict[str, GroupOffsets] = {}
        self._limit_bytes, self._limit_messages = limit_bytes, limit_messages
        self._partitions: dict[str, list[PartitionKey]] = {}
        self._lags: dict[tuple[PartitionKey, str], tuple[int, int]] = {}
        self._sizes: dict[PartitionKey, Sizes] = {}
        self._looked = NEVER
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="backlog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and the connections; nothing can be asked after it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        for offsets in self._offsets.values():
            offsets.close()

    def watch(self, watched: Iterable[tuple[str, str]]) -> None:
        """Watch these (topic, group) instead, from the next look on. From any thread."""
        self._watched = tuple(watched)

    def note(self, topic: str, partition: int, size: int) -> None:
        """A message of `size` bytes (key and value) is about to be produced. Call it before `produce`."""
        with self._lock:
            self._sizes.setdefault((topic, partition), Sizes()).note(size + OVERHEAD_BYTES, time.monotonic())

    def look(self) -> None:
        """Read watermarks and committed offsets now. Raises RouterError when the broker does not answer."""
        started = time.monotonic()
        self._admin.poll()
        # Commits first: read later they could be ahead of the ends, and messages would seem to be gone.
        due = {(key, group): offset for topic, group in self._watched for key, offset in self._due(topic, group)}
        ends = self._admin.watermarks({key for key, _ in due})
        if self._looked == NEVER:
            self._measure(due, ends)
        with self._lock:
            self._lags = {
                (key, group): (ends[key].high - offset, max(0, ends[key].low - offset))
                for (key, group), offset in due.items()
            }
            self._looked = started
            self._forget()

    def outstanding(self) -> Mapping[tuple[str, int, str], Outstanding]:
        """What each group has still to commit, by (topic, partition, group): the last look and all noted since."""
        with self._lock:
            otherwise = max([ASSUMED_BYTES, *(sizes.mean for sizes in self._sizes.values())])
            return {
                (*key, group): Outstanding(messages, self._bytes(key, messages, otherwise), lost)
                for (key, group), (messages, lost) in self._lags.items()
            }

    def free(self) -> bool:
        """Whether every watched partition can take more. False also while the last good look is over 3 s old."""
        if time.monotonic() - self._looked > STALE_SECONDS:
            return False
        return all(
            found.bytes < self._limit_bytes and found.messages < self._limit_messages
            for found in self.outstanding().values()
        )

    @property
    def known(self) -> bool:
        """Whether there has been a good look yet."""
        return self._looked != NEVER

    def lost(self) -> int:
        """Messages that the broker dropped before their group had committed them; 0 unless the limits were ignored."""
        return sum(found.lost for found in self.outstanding().values())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _due(self, topic: str, group: str) -> Iterable[tuple[PartitionKey, int]]:
        partitions = self._of(topic)
        if group not in self._offsets:
            self._offsets[group] = GroupOffsets(self._cluster, group, stable=False, timeout=STALE_SECONDS)
        committed = self._offsets[group].committed(partitions)
        return [(key, committed[key].offset if key in committed else 0) for key in partitions]

    def _of(self, topic: str) -> list[PartitionKey]:
        if topic not in self._partitions:
            count = self._admin.topics().get(topic)
            if count is None:
                raise RouterError(f"topic {topic} is missing")
            self._partitions[topic] = [(topic, number) for number in range(count)]
        return self._partitions[topic]

    def _bytes(self, key: PartitionKey, messages: int, otherwise: float) -> int:
        sizes = self._sizes.get(key)
        if sizes is None:
            return int(messages * otherwise)
        return int(sizes.newest(messages, self._looked - FRESH_SECONDS, otherwise))

    def _measure(self, due: Mapping[tuple[PartitionKey, str], int], ends: Mapping[PartitionKey, Watermarks]) -> None:
        """Read, once, what another process (or this one before it was killed) has left outstanding."""
        starts: dict[PartitionKey, int] = {}
        for (key, _), offset in due.items():
            first = max(offset, ends[key].low)
            if first < ends[key].high and key not in self._sizes:
                starts[key] = min(first, starts.get(key, first))
        found: dict[PartitionKey, Sizes] = {key: Sizes() for key in starts}
        for key, size in message_sizes(self._cluster, starts, MEASURE_SECONDS):
            found[key].note(size + OVERHEAD_BYTES, 0.0)
        with self._lock:
            self._sizes = found | self._sizes

    def _forget(self) -> None:
        longest: dict[PartitionKey, int] = {}
        for (key, _), (messages, _) in self._lags.items():
            longest[key] = max(messages, longest.get(key, 0))
        for key, sizes in self._sizes.items():
            sizes.forget(longest.get(key, 0), self._looked - FRESH_SECONDS)

    def _run(self) -> None:
        answered, pause = True, 0.0
        while not self._stopping.wait(pause):
            try:
                self.look()
            except RouterError as error:
                if answered:
                    _log.warning("the backlog cannot be read, so the broker counts as full: %s", error)
                answered = False
            else:
                answered = True
            pause = BUSY_SECONDS if not answered or self._busy() else IDLE_SECONDS

    def _busy(self) -> bool:
        return any(found.bytes for found in self.outstanding().values())
