"""The dead letter: an event that was given up, exactly as it was, with the reason in its headers."""

from __future__ import annotations

from router.delivery.codes import label
from router.delivery.item import Item
from router.events.records import Record

LARGEST = 1_000_000  # bytes of value, key and headers that are kept whole
KEPT_OF_OVERSIZE = 64 * 1024
_OURS = frozenset({"error-code", "error-stage", "attempts", "origin", "length"})


def dead_letter(topic: str, item: Item, code: str, stage: str) -> Record:
    """A message for `dest.<name>.dead`: value, key and headers as they came.

    Added are `error-code`, `error-stage` (read or deliver), `attempts` and `origin` (topic:partition:offset). What no
    longer fits a message with them is kept as its first 64 KiB, with its whole length in the header `length`.
    """
    added = [
        ("error-code", label(code).encode()),
        ("error-stage", stage.encode()),
        ("attempts", str(item.attempts).encode()),
        ("origin", item.origin.encode()),
    ]
    own = [(name, raw) for name, raw in item.headers if name not in _OURS]
    value = item.value
    size = len(value or b"") + len(item.key or b"") + sum(len(name) + len(raw or b"") + 10 for name, raw in own)
    if value is not None and size > LARGEST:
        added.append(("length", str(len(value)).encode()))
        value = value[:KEPT_OF_OVERSIZE]
        own = [(name, raw) for name, raw in own if name in ("source", "type", "event")]
    return topic, value, item.key, [*own, *added]  # type: ignore[return-value]  # a value may be missing: a tombstone
