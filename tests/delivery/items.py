"""Items for tests of the policies."""

from __future__ import annotations

from router.delivery.item import Partition, QueuedEvent
from tests.deliveries import delivery


def item(
    number: int, *, lane: bytes | None = None, size: int = 100, taken: float = 0.0, replay: str = ""
) -> QueuedEvent:
    """Event `number`, at that offset of a partition of its own."""
    one = delivery(number)
    made = QueuedEvent(Partition("dest.crm", 0), number, one.value, lane, (), one, None, taken, replay=replay)
    made.size = size
    return made
