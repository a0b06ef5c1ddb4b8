"""What one batch of messages leads to: messages to produce, keys to remember, counts. Nothing is written yet.

Whoever runs the pipeline makes it durable, changelog and offsets included, and only then exports the counts; so
kill -9 takes a batch as a whole, and it is read again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import Counter as Metric

from router.dedupe.window import First, Rows
from router.events.event import Body, Event
from router.events.fans import Fan
from router.events.records import Place, Record, keyed_record

Lanes = Mapping[tuple[str, int], int]  # topic and partition to their position in this mapping
Fresh = dict[bytes, First]  # by key
Pending = Mapping[bytes, First]


class Seen(Protocol):
    """The committed part of the window of dedupe."""

    def first_seen(self, keys: list[bytes], now_ms_min: int) -> list[First | None]:
        """First receive times in ms, with marks; `now_ms_min` is the oldest receive time of the batch."""


def _by_lane() -> defaultdict[str, Counter[int]]:
    return defaultdict(Counter)


@dataclass(slots=True)
class Batch:
    """`fans` are the messages of the clean stream and the destinations, `records` those of all other topics.

    `places` gives topic and partition of each lane. `pending` holds the keys of batches that are not yet committed,
    which the store does not know; `fresh` are those of this one, `remembered` its rows and `row_lanes` their lanes.
    received = the sum of `ended` (by the ending's name), for each lane.
    """

    places: Sequence[tuple[str, int]] = field(default=(), compare=False)
    pending: Pending = field(default_factory=dict, compare=False)
    records: list[Record] = field(default_factory=list)
    fans: Collection[Fan] = ()
    fresh: Fresh = field(default_factory=dict)
    remembered: list[Rows] = field(default_factory=list, compare=False)
    row_lanes: list[int] = field(default_factory=list, compare=False)
    received: Counter[int] = field(default_factory=Counter)
    ended: defaultdict[str, Counter[int]] = field(default_factory=_by_lane)
    routed: Counter[tuple[int, str]] = field(default_factory=Counter)  # lane, destination
    counts: Counter[tuple[Metric, tuple[str, ...]]] = field(default_factory=Counter)  # metric, values of its labels

    def count(self, metric: Metric, *labels: str, number: int = 1) -> None:
        """Add to one of an agent's own counters."""
        self.counts[metric, labels] += number

    def send_again(self, topic: str, event: Event, body: Body, source: str) -> None:
        """Send a body to `topic`, which is `events.keyed`, to come back as an event of that source."""
        place = Place(*self.places[event.lane], event.offset)
        self.records.append(keyed_record(topic, body, source, event.received, place, event.headers))

    def rows(self) -> Rows:
        """What the window is to remember, in the order of `row_lanes`."""
        return Rows.joined(self.remembered)

    def outputs(self) -> Iterator[Record]:
        """Every message to produce."""
        yield from self.records
        for topics, value, key, headers in self.fans:
            for number, topic in enumerate(topics):
                yield topic, value, key, headers.others if number else headers.first

    def merge(self, other: Batch) -> None:
        """Add what another part of the same batch leads to."""
        self.records += other.records
        if not isinstance(self.fans, list):
            self.fans = list(self.fans)
        self.fans.extend(other.fans)
        self.fresh.update(other.fresh)
        self.remembered += other.remembered
        self.row_lanes += other.row_lanes
        self.received.update(other.received)
        for name, lanes in other.ended.items():
            self.ended[name].update(lanes)
        self.routed.update(other.routed)
        self.counts.update(other.counts)
