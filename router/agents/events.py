"""The events of a batch as columns: what the agents need of them once each is prepared.

Nearly all events come from the native scanner, which gives a batch as columns, so that none of them needs an object of
its own. Those that took the long way have one beside their row: agents that speak of an event itself, as of one with a
verdict, find it in `objects`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import accumulate, compress
from typing import TYPE_CHECKING, Any

from router.events.event import Event
from router.events.fans import Block, FanHeaders
from router.identity.rules import Identifiers

if TYPE_CHECKING:
    from router.agents.route import Choice

PROFILE_BYTES = 34  # `p_` and 32 digits
_PLACE = b',"profileId":"', b" " * PROFILE_BYTES, b'"}'
ROOM = b"".join(_PLACE)  # in the place of an event's closing brace
PROFILE_END = len(_PLACE[2])  # bytes behind the profile


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """What many events have in common. Compared by identity: counting these counts events.

    `choice` and `headers` are those of an event that goes on, None of one that an agent ends.
    """

    source: str
    mark: bytes
    choice: Choice
    headers: FanHeaders


@dataclass(slots=True)
class Events:
    """A row an event, in the batch's order. `objects` has the event itself, None of one that the scanner took.

    `starts` and `sizes` say where its JSON is in `block`, with ROOM at its end; `used` bytes of the block are in use.
    `profiles` are what identify sets.
    """

    lanes: list[int]
    received: list[int]
    digests: list[bytes]
    ids: list[Identifiers]
    alike: list[Alike]
    starts: list[int]
    sizes: list[int]
    objects: list[Event | None]
    block: Block
    used: int
    profiles: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lanes)

    @classmethod
    def of(cls, events: Sequence[Event]) -> Events:
        """Of events that all agents have prepared."""
        values = [event.value for event in events]
        sizes = list(map(len, values))
        return cls(
            [event.lane for event in events],
            [event.received for event in events],
            [event.digest for event in events],
            [event.ids for event in events],
            list(_alike(events)),
            list(accumulate(sizes, initial=0))[:-1],
            sizes,
            list(events),
            bytearray().join(values),
            sum(sizes),
        )

    def with_others(self, others: Sequence[tuple[int, Event]], gone: Sequence[int]) -> Events:
        """With events in the places of some rows: of each row that is `gone`, in order, those that name it."""
        own = Events.of([event for _, event in others])
        if len(gone) == len(self):
            return own
        own.starts = [start + self.used for start in own.starts]
        spans, end = [], 0
        for row in gone:
            begin = end
            while end < len(others) and others[end][0] == row:
                end += 1
            spans.append((row, begin, end))
        columns = {name: _spliced(getattr(self, name), getattr(own, name), spans) for name in _COLUMNS}
        return Events(**columns, block=self._block_with(own), used=self.used + own.used)

    def _block_with(self, others: Events) -> Block:
        """The block with that of others behind what is in use; copied where there is no room left."""
        used, end = self.used, self.used + others.used
        if end > len(self.block):
            return bytearray().join((memoryview(self.block)[:used], others.block))
        memoryview(self.block)[used:end] = others.block
        return self.block

    def without(self, rows: Collection[int]) -> Events:
        """Those that go on when these rows end."""
        if not rows:
            return self
        kept = bytearray(b"\1") * len(self)
        for row in rows:
            kept[row] = 0
        return Events(
            **{name: list(compress(getattr(self, name), kept)) for name in _COLUMNS}, block=self.block, used=self.used
        )

    def ended(self, rows: Collection[int]) -> list[tuple[int, str]]:
        """Lane and source of each of these rows, for `Agent.end`."""
        return [(self.lanes[row], self.alike[row].source) for row in rows]

    def with_object(self) -> Iterator[tuple[int, Event]]:
        """The events that have an object, with their rows."""
        return ((row, event) for row, event in enumerate(self.objects) if event is not None)

    def value(self, row: int) -> bytes:
        """An event's JSON, with room for its profile."""
        return bytes(self.block[self.starts[row] : self.starts[row] + self.sizes[row]])


_COLUMNS = tuple(column.name for column in fields(Events) if column.name not in ("block", "used"))


def _alike(events: Sequence[Event]) -> Iterator[Alike]:
    found: dict[tuple[str, bytes, int, int], Alike] = {}
    for event in events:
        choice, out = event.choice, event.out
        key = (event.source, event.mark, id(choice), id(out))
        one = found.get(key)
        if one is None:
            one = found[key] = Alike(event.source, event.mark, choice, out and out.shared)
        yield one


def _spliced(column: list[Any], other: list[Any], spans: Sequence[tuple[int, int, int]]) -> list[Any]:
    made: list[Any] = []
    at = 0
    for row, begin, end in spans:
        made += column[at:row]
        made += other[begin:end]
        at = row + 1
    made += column[at:]
    return made
