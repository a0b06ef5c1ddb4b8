"""Which messages a search wants, as values: readers in Python and C (`router/native/read.c`) take the same ones."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from confluent_kafka import Message

from router.trace.needles import holds
from router.trace.records import Sighting


@dataclass(frozen=True)
class Wanted:
    """Any of these makes a message wanted: its key, bytes in its value (none of them empty), its value's size; or all
    messages are. Of these, `exactly` says which really are: it may take its time, since they are few.
    """

    keys: Collection[bytes] = ()
    needles: Collection[bytes] = ()
    value_size: int | None = None
    all_messages: bool = False
    exactly: Callable[[Sighting], bool] | None = None

    def is_it(self, one: Sighting) -> bool:
        return self.exactly is None or self.exactly(one)

    def picks(self) -> Callable[[Message], bool]:
        """The same in Python, without `exactly`, for each of millions: so no more than it takes."""
        keys, needles, size = frozenset(self.keys), tuple(self.needles), self.value_size
        if self.all_messages:
            return lambda message: True
        if not needles and size is None:
            return lambda message: message.key() in keys
        if not keys and size is None:
            return lambda message: holds(needles, message.value())

        def any_of(message: Message) -> bool:
            value = message.value()
            if message.key() in keys or holds(needles, value):
                return True
            return value is not None and len(value) == size

        return any_of
