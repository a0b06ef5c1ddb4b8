"""The idempotency key (32 hex digits, the same on every attempt) in the forms that partners take."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from hashlib import blake2b

from router.destinations.base import Delivery
from router.mapping.conversions import ulid_of


def of_batch(events: Sequence[Delivery]) -> str:
    """One key for a request with these events in this order, 32 hex digits; of one event its own."""
    if len(events) == 1:
        return events[0].idempotency_key
    return blake2b("".join(one.idempotency_key for one in events).encode(), digest_size=16).hexdigest()


def as_hex(event: Delivery) -> str:
    return event.idempotency_key


def as_uuid(event: Delivery) -> str:
    """The messageId where it is a UUID, else one made of the key: version 8, which is for makers' own."""
    given = event.body.get("messageId")
    if isinstance(given, str):
        try:
            return str(uuid.UUID(given))
        except ValueError:
            pass  # some other text: the key it is
    value = int(event.idempotency_key, 16)
    value = value & ~(0xF << 76) | 8 << 76
    return str(uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62))


def as_ulid(event: Delivery) -> str:
    """26 characters of Crockford's base 32."""
    return ulid_of(int(event.idempotency_key, 16))
