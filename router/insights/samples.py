"""Examples by key: the oldest and the newest two, bounded in number and bytes. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import orjson

from router.insights.windows import Chunk, Key

PER_KEY = 3
LARGEST = 16 * 1024  # bytes of one example; what is larger is not kept


class SampleTable:
    """At most `keys` keys and `most_bytes` bytes; the key that got none for the longest time gives way."""

    def __init__(self, keys: int, most_bytes: int) -> None:
        self._most_keys, self._most_bytes = keys, most_bytes
        self._samples: OrderedDict[Key, list[bytes]] = OrderedDict()
        self.size = 0
        self._dirty: set[Key] = set()

    def add(self, key: Key, sample: Mapping[str, Any]) -> None:
        """The second newest gives way once there are three: the oldest stays."""
        raw = orjson.dumps(sample)
        if len(raw) > LARGEST:
            return
        kept = self._samples.setdefault(key, [])
        self._samples.move_to_end(key)
        kept.append(raw)
        self.size += len(raw)
        if len(kept) > PER_KEY:
            self.size -= len(kept.pop(1))
        self._dirty.add(key)
        while len(self._samples) > self._most_keys or self.size > self._most_bytes:
            gone, lost = self._samples.popitem(last=False)
            self.size -= sum(map(len, lost))
            self._dirty.add(gone)

    def of(self, key: Key) -> list[Any]:
        """Oldest first."""
        return [orjson.loads(raw) for raw in self._samples.get(key, ())]

    def seal(self) -> list[Chunk]:
        """What has changed since the last call."""
        chunks: list[Chunk] = []
        for key in sorted(self._dirty):
            kept = self._samples.get(key)
            chunks.append((orjson.dumps(key).decode(), None if kept is None else b"[" + b",".join(kept) + b"]"))
        self._dirty.clear()
        return chunks

    def load(self, chunks: Mapping[str, bytes]) -> None:
        """Become what `seal` gave, all of its chunks in their last form."""
        for name, content in chunks.items():
            for sample in orjson.loads(content):
                self.add(tuple(orjson.loads(name)), sample)
        self._dirty.clear()
