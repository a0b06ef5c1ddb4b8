"""What we store beside a committed offset: JSON of at most 4 KiB, ended by a terminator.

Whatever must be exact across kill -9 but is not worth a changelog rides here, because it is committed with the offset
or not at all: cumulative counts, and which events beyond the offset are final already.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from confluent_kafka import TopicPartition

from router.errors import RouterError

LIMIT = 4096  # bytes of metadata that a broker takes by default
TERMINATOR = "\n"
BITMAP_BYTES = 2_880  # 3,840 characters in Base64; counts take at most 100


class MetadataError(RouterError):
    """Metadata that is not the router's: another program, or an operator, has committed for this group."""


class MetadataTooLong(RouterError):
    """More than a broker takes."""


def encode(data: Any, shorter: Callable[[], Any] | None = None) -> str:
    """Metadata for a commit. Where `data` is too long, what `shorter` returns; raises MetadataTooLong for both."""
    text = orjson.dumps(data).decode() + TERMINATOR
    if len(text.encode()) <= LIMIT:
        return text
    if shorter is not None:
        return encode(shorter())
    raise MetadataTooLong(f"offset metadata: expected at most {LIMIT} bytes, got {len(text.encode())}")


def decode(text: str) -> Any:
    """The data of a commit; None for an empty text, which is what a new group has. Raises MetadataError."""
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise not_ours(error) from error


def not_ours(error: Exception) -> MetadataError:
    """The error for metadata of the wrong shape; the text of `error` says what is wrong with it."""
    return MetadataError(f"a committed offset carries metadata that is not the router's: {error}")


def text_of(row: TopicPartition) -> str:
    """The metadata of a committed offset as the client returns it, up to its terminator.

    librdkafka keeps it without a final zero and the Python client reads on to the next one: now and then what follows
    is of other memory, and not even UTF-8.
    """
    try:
        text = row.metadata or ""
    except UnicodeDecodeError as error:
        text = error.object.decode(errors="replace")
    before, terminator, _ = text.partition(TERMINATOR)
    return before + terminator


def pack_offsets(low: int, offsets: Iterable[int]) -> str:
    """Offsets from `low` on as a Base64 bitmap: bit i, least significant first, is `low` + i.

    What lies beyond the 23,040 bits that fit is left out.
    """
    bits = [offset - low for offset in offsets if 0 <= offset - low < BITMAP_BYTES * 8]
    if not bits:
        return ""
    bitmap = bytearray(max(bits) // 8 + 1)
    for bit in bits:
        bitmap[bit >> 3] |= 1 << (bit & 7)
    return base64.b64encode(bitmap).decode()


def unpack_offsets(low: int, text: str) -> list[int]:
    """The inverse of `pack_offsets`, in ascending order. Raises MetadataError."""
    try:
        bitmap = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise not_ours(error) from error
    return [low + 8 * at + bit for at, byte in enumerate(bitmap) if byte for bit in range(8) if byte >> bit & 1]
