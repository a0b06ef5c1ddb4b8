"""One event on its way to the partner, and the partition it came from."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from router.delivery.tracker import Counts, Tracker, decode
from router.destinations.base import Delivery
from router.kafka.partition_state import PartitionState

OVERHEAD = 200  # bytes counted for an event beside its value
RawHeaders = Sequence[tuple[str, bytes | None]]


@dataclass(slots=True, eq=False)
class Partition(PartitionState):
    """An owned partition of the destination's topic. Once it is `revoked`, late answers no longer count.

    Where it is read is the consuming thread's; all else belongs to the event loop. `committed_counts` are those of the
    last commit; `redriven` counts the redriven events taken, final or not.
    """

    tracker: Tracker = field(default_factory=Tracker)
    counts: Counts = field(default_factory=Counts)
    revoked: bool = False
    dirty: bool = False  # something to commit
    committed_counts: Counts = field(default_factory=Counts)
    redriven: int = 0

    def __post_init__(self) -> None:
        self.committed_counts, self.redriven = replace(self.counts), self.counts.redriven

    @classmethod
    def open(cls, topic: str, number: int, committed: int, metadata: str) -> Partition:
        """As the group has committed it; `committed` is negative where it has not."""
        counts, done = decode(metadata, committed)
        tracker = Tracker(committed if committed >= 0 else None, done)
        return cls(topic, number, committed, committed, tracker=tracker, counts=counts)

    def recreated(self, beginning: int) -> Partition:
        """The same partition of a topic that was deleted and made again: what was counted goes on."""
        return Partition(self.topic, self.number, tracker=Tracker(beginning), counts=self.counts)


class QueuedEvent:
    """Times are those of a monotonic clock, in seconds; `received` is the event's receive time since 1970.

    Events with one `batch_key` may share a request; those with one `ordering_key` keep their order where it is asked
    for (None: there is none to keep). `deadline` ends the attempts; None while its time does not run: before the first
    one, and while the partner has asked us to wait. `left` are the seconds that remain then, None for all. `failures`
    counts the attempts whose failure may be the event's own: they lengthen its back-off. `code` is that of the last
    attempt that failed; `answer` what the partner said when it was given up; `fault` says why it
    cannot be sent at all; `redriven`: it was a dead letter; `replay`: the id of the replay that sent it, or empty. A
    replay keeps an order of its own: it holds up no live event.

    Of an event that waits in the retry lane `parked` is true; `partition` and `offset` are its place in that topic,
    `came_from` that in the destination's. `due` is when it is to be tried, None for an event that was never put
    there; `parked_at`, in seconds since 1970, when it was. `position` is the lane's own. `alone`: it shares no request.
    `routed` is when it was written to the destination's topic, in seconds since 1970, and `first` when its first
    attempt began; each 0 where that is not known.
    """

    __slots__ = (
        "alone", "answer", "attempts", "batch_key", "came_from", "code", "deadline", "delivery", "due", "failures",
        "fault", "first", "headers", "key", "left", "offset", "ordering_key", "parked", "parked_at", "partition",
        "position", "received", "redriven", "replay", "routed", "size", "taken", "value",
    )  # fmt: skip

    def __init__(
        self, partition: Partition, offset: int, value: bytes | None, key: bytes | None, headers: RawHeaders,
        delivery: Delivery, received: float | None, taken: float, fault: str = "", *, redriven: bool = False,
        replay: str = "",
    ) -> None:  # fmt: skip
        self.partition = partition
        self.offset = offset
        self.value = value
        self.key = key
        self.headers = headers
        self.delivery = delivery
        self.received = received
        self.taken = taken
        self.fault = fault
        self.redriven = redriven
        self.replay = replay
        self.ordering_key = key if key is None or not replay else b"replay\0" + key
        self.batch_key: Hashable = None
        self.size = len(value or b"") + OVERHEAD
        self.attempts = self.failures = 0
        self.deadline: float | None = None
        self.left: float | None = None
        self.code = ""
        self.answer = ""
        self.came_from = ""
        self.parked = self.alone = False
        self.due: float | None = None
        self.parked_at = self.routed = self.first = 0.0
        self.position = 0

    @property
    def origin(self) -> str:
        """Where it stands in the destination's topic: topic, partition and offset."""
        return self.came_from or f"{self.partition.topic}:{self.partition.number}:{self.offset}"
