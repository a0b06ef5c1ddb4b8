"""Events of a file, one after the other: one a line, a JSON list, or a batch body."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from router.errors import FileError, Problem
from router.events.event import Invalid, Limits
from router.events.parser import Repairs, is_json
from router.events.reader import split

_LIMITS = Limits(event_bytes=1 << 20, batch_bytes=1 << 30, depth=100, keys=100_000)


def bodies(path: Path) -> Iterator[dict[str, Any] | None]:
    """Each event; None for an item that is not one. A file of lines is read line by line. Raises FileError."""
    try:
        with path.open("rb") as file:
            first = file.readline()
            if not is_json(first):
                first += file.read()
            yield from of_message(first)
            for line in file:
                yield from of_message(line)
    except OSError as error:
        raise FileError([Problem(str(path), 0, 0, "", f"expected a readable file, got {error.strerror}")]) from error


def of_message(value: bytes) -> Iterator[dict[str, Any] | None]:
    """The events of a line, a document or a Kafka message."""
    if value.strip():
        for item in split(value, _LIMITS, Repairs()):
            yield None if isinstance(item, Invalid) else item
