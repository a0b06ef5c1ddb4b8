"""The events of a batch as columns: what the agents need of them once each is prepared.

Nearly all events come from the native scanner, which gives a batch as columns, so that none of them needs an object of
its own. Those that took the long way have one beside their row: agents that speak of an event itself, as of one with a
verdict, find it in `objects`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from router.dedupe.window import MARK, NO_MARK
from router.events.event import Event
from router.events.fans import Block, FanHeaders
from router.events.message_batch import Array
from router.identity.rules import Identifiers

if TYPE_CHECKING:
    from router.agents.decode import Message
    from router.agents.route import Choice
    from router.agents.verdict import Verdict

PROFILE_BYTES = 34  # `p_` and 32 digits
_PLACE = b',"profileId":"', b" " * PROFILE_BYTES, b'"}'
ROOM = b"".join(_PLACE)  # in the place of an event's closing brace
PROFILE_END = len(_PLACE[2])  # bytes behind the profile


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """What many events have in common. Compared by identity: counting these counts events.

    `choice` and `headers` are those of an event that goes on, None of one that an agent ends; `verdict` is that on an
    event that breaks its plan or a rule.
    """

    source: str
    type: str
    name: str
    mark: bytes
    choice: Choice
    headers: FanHeaders
    verdict: Verdict | None = None


@dataclass(slots=True)
class Events:
    """A row an event, in the batch's order. `of_kind` has the place in `kinds` of what it has in common with others.

    `objects` are the events that the scanner did not take, by row; of others `given` has the messages, `origins` says
    which (`event` makes an object of one). `starts` and `sizes` say where an event's JSON is in
    `block`, with ROOM at its end; `used` bytes of the block are in use. `received` is in ms, `profiles` are what
    identify sets.
    """

    lanes: Array
    received: Array
    digests: list[bytes]
    ids: list[Identifiers]
    kinds: list[Alike]
    of_kind: Array
    starts: Array
    sizes: Array
    objects: dict[int, Event]
    block: Block
    used: int
    given: Sequence[Message]
    origins: Array
    profiles: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lanes)

    @classmethod
    def of(cls, events: Sequence[Event]) -> Events:
        """Of events that all agents have prepared."""
        values = [event.value for event in events]
        sizes = np.array(list(map(len, values)), dtype=np.int64)
        kinds, of_kind = _kinds(events)
        return cls(
            np.array([event.lane for event in events], dtype=np.int64),
            np.array([event.received for event in events], dtype=np.int64),
            [event.digest for event in events],
            [event.ids for event in events],
            kinds=kinds,
            of_kind=np.array(of_kind, dtype=np.int64),
            starts=sizes.cumsum() - sizes,
            sizes=sizes,
            objects=dict(enumerate(events)),
            block=bytearray().join(values),
            used=int(sizes.sum()),
            given=(),
            origins=np.zeros(len(events), dtype=np.int64),
        )

    def with_others(self, others: Sequence[tuple[int, Event]], gone: Sequence[int]) -> Events:
        """With events in the places of some rows: of each row that is `gone`, in order, those that name it.

        Only of events without objects.
        """
        if not gone:
            return self
        own = Events.of([event for _, event in others])
        if len(gone) == len(self):
            return own
        rows = [row for row, _ in others]
        kept = _all_but(gone, len(self))
        order = np.concatenate((np.flatnonzero(kept), np.array(rows, dtype=np.int64))).argsort(kind="stable")
        new = np.flatnonzero(order >= len(self) - len(gone)).tolist()

        def placed(ours: Array, theirs: Array) -> Array:
            found: Array = np.concatenate((ours[kept], theirs))[order]
            return found

        return Events(
            placed(self.lanes, own.lanes),
            placed(self.received, own.received),
            _spliced(self.digests, own.digests, gone, rows),
            _spliced(self.ids, own.ids, gone, rows),
            kinds=self.kinds + own.kinds,
            of_kind=placed(self.of_kind, own.of_kind + len(self.kinds)),
            starts=placed(self.starts, own.starts + self.used),
            sizes=placed(self.sizes, own.sizes),
            objects=dict(zip(new, own.objects.values(), strict=True)),
            block=self._block_with(own),
            used=self.used + own.used,
            given=self.given,
            origins=placed(self.origins, own.origins),
        )

    def _block_with(self, others: Events) -> Block:
        """The block with that of others behind what is in use; copied where there is no room left."""
        used, end = self.used, self.used + others.used
        if end > len(self.block):
            return bytearray().join((memoryview(self.block)[:used], others.block))
        memoryview(self.block)[used:end] = others.block
        return self.block

    def without(self, rows: Sequence[int]) -> Events:
        """Those that go on when these rows end."""
        if not rows:
            return self
        kept = _all_but(rows, len(self))
        new = (kept.cumsum() - 1).tolist()
        return Events(
            self.lanes[kept],
            self.received[kept],
            list(compress(self.digests, kept)),
            list(compress(self.ids, kept)),
            kinds=self.kinds,
            of_kind=self.of_kind[kept],
            starts=self.starts[kept],
            sizes=self.sizes[kept],
            objects={new[row]: event for row, event in self.objects.items() if kept[row]},
            block=self.block,
            used=self.used,
            given=self.given,
            origins=self.origins[kept],
        )

    def alike(self, row: int) -> Alike:
        """What an event has in common with others."""
        return self.kinds[int(self.of_kind[row])]

    def event(self, row: int) -> Event:
        """The object of a row; one of the scanner's has what records say of an event, and no body."""
        if event := self.objects.get(row):
            return event
        alike, message = self.alike(row), self.given[int(self.origins[row])]
        event = Event.prepared(alike.source, alike.type, alike.name, int(self.received[row]), message.key())
        event.lane, event.offset, event.verdict = int(self.lanes[row]), message.offset(), alike.verdict
        event.message_id = orjson.loads(self.value(row))["messageId"]
        return event

    def judged(self) -> list[tuple[Alike, list[int]]]:
        """The rows of each kind that has a verdict, in the order of their first ones."""
        has_verdict = np.array([alike.verdict is not None for alike in self.kinds], dtype=np.bool_)
        rows = np.flatnonzero(has_verdict[self.of_kind])
        if not len(rows):
            return []
        order = rows[self.of_kind[rows].argsort(kind="stable")]
        ends = np.flatnonzero(np.diff(self.of_kind[order])) + 1
        found = sorted((group.tolist() for group in np.split(order, ends)), key=itemgetter(0))
        return [(self.alike(group[0]), group) for group in found]

    def marks(self) -> Array:
        """Of each event, as dedupe remembers them."""
        found: Array = np.frombuffer(b"".join([kind.mark or NO_MARK for kind in self.kinds]), MARK)[self.of_kind]
        return found

    def by_lane(self) -> Counter[int]:
        """How many events each lane has."""
        return Counter({lane: count for lane, count in enumerate(np.bincount(self.lanes).tolist()) if count})

    def ended(self, rows: Iterable[int]) -> list[tuple[int, str]]:
        """Lane and source of each of these rows, for `Agent.end`."""
        return [(int(self.lanes[row]), self.alike(row).source) for row in rows]

    def value(self, row: int) -> bytes:
        """An event's JSON, with room for its profile."""
        return bytes(self.block[self.starts[row] : self.starts[row] + self.sizes[row]])


def _kinds(events: Sequence[Event]) -> tuple[list[Alike], list[int]]:
    """What the events have in common, and the place of each event's."""
    kinds: list[Alike] = []
    places: dict[tuple[str, str, str, bytes, int, int, int], int] = {}
    of_kind = []
    for event in events:
        choice, out, verdict = event.choice, event.out, event.verdict
        same = (event.source, event.type, event.name, event.mark, id(choice), id(out), id(verdict))
        place = places.setdefault(same, len(kinds))
        if place == len(kinds):
            shared = out and out.shared
            kinds.append(Alike(event.source, event.type, event.name, event.mark, choice, shared, verdict))
        of_kind.append(place)
    return kinds, of_kind


def _all_but(rows: Sequence[int], count: int) -> Array:
    kept = np.ones(count, dtype=np.bool_)
    kept[rows] = False
    return kept


def _spliced(column: list[Any], other: list[Any], gone: Sequence[int], rows: Sequence[int]) -> list[Any]:
    """The column without the rows that are `gone`; in the place of each, those of `other` that name it in `rows`."""
    made: list[Any] = []
    at = end = 0
    for row in gone:
        begin = end
        while end < len(rows) and rows[end] == row:
            end += 1
        made += column[at:row]
        made += other[begin:end]
        at = row + 1
    made += column[at:]
    return made
