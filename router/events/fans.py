"""Messages that each go to several topics: what becomes of the events of a batch.

They are columns over one block of bytes, so that the native produce loop takes them as they are. Whoever wants them one
by one iterates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from router.events.message_batch import Array
from router.events.records import Headers

Block = bytearray | memoryview


class FanHeaders(NamedTuple):
    """Of one message for several topics: those in the first topic, and those in each of the others."""

    first: Headers
    others: Headers

    @classmethod
    def alike(cls, headers: Headers) -> FanHeaders:
        """The same in all topics."""
        return cls(headers, headers)


Fan = tuple[tuple[str, ...], bytes, bytes, FanHeaders]  # one message for several topics: value, key, headers
FanKind = tuple[tuple[str, ...], FanHeaders]  # what many messages have in common


@dataclass(slots=True, eq=False)
class Spans:
    """Parts of a block: where they begin, and their sizes."""

    block: Block
    starts: Sequence[int] | Array
    sizes: Sequence[int] | Array

    @classmethod
    def of(cls, parts: Sequence[bytes]) -> Spans:
        """One behind the other."""
        sizes = list(map(len, parts))
        return cls(bytearray().join(parts), list(accumulate(sizes, initial=0))[:-1], sizes)

    def __iter__(self) -> Iterator[bytes]:
        view = memoryview(self.block)
        return (bytes(view[at : at + size]) for at, size in zip(self.starts, self.sizes, strict=True))


@dataclass(slots=True, eq=False)
class Fans(Collection[Fan]):
    """In the order in which they are to be written; `of_kind` has the place of each message's kind in `kinds`."""

    kinds: Sequence[FanKind]
    of_kind: Sequence[int] | Array
    values: Spans
    keys: Spans

    @classmethod
    def of(cls, fans: Collection[Fan]) -> Fans:
        """The columns of single messages."""
        if isinstance(fans, Fans):
            return fans
        kinds: list[FanKind] = []
        numbers: dict[tuple[tuple[str, ...], int], int] = {}
        of_kind = []
        for topics, _, _, headers in fans:
            key = (topics, id(headers))
            if key not in numbers:
                numbers[key] = len(kinds)
                kinds.append((topics, headers))
            of_kind.append(numbers[key])
        values, keys = [fan[1] for fan in fans], [fan[2] for fan in fans]
        return cls(kinds, of_kind, Spans.of(values), Spans.of(keys))

    def __len__(self) -> int:
        return len(self.of_kind)

    def __iter__(self) -> Iterator[Fan]:
        for number, value, key in zip(self.of_kind, self.values, self.keys, strict=True):
            topics, headers = self.kinds[number]
            yield topics, value, key, headers

    def __contains__(self, fan: object) -> bool:
        return any(fan == one for one in self)

    def __eq__(self, other: object) -> bool:
        """By the messages, wherever they lie."""
        return isinstance(other, Iterable) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
