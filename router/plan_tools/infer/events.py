"""Events of a file, one after the other: one a line, a JSON list, or a batch body."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from router.errors import FileError, Problem
from router.events.event import Invalid, Limits, split

_LIMITS = Limits(event_bytes=1 << 20, batch_bytes=1 << 30, depth=100, keys=100_000)


def bodies(path: Path) -> Iterator[dict[str, Any] | None]:
    """Each event; None for what is none. A file of lines is read line by line. Raises FileError."""
    try:
        with path.open("rb") as file:
            first = file.readline()
            if _is_json(first):
                yield from of_message(first)
                for line in file:
                    yield from of_message(line)
            else:
                yield from _whole(first + file.read())
    except OSError as error:
        raise FileError([Problem(str(path), 0, 0, "", f"expected a readable file, got {error.strerror}")]) from error


def of_message(value: bytes) -> Iterator[dict[str, Any] | None]:
    """The events of a line or a Kafka message."""
    if value.strip():
        for item in split(value, _LIMITS):
            yield None if isinstance(item, Invalid) else item


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _whole(raw: bytes) -> Iterator[dict[str, Any] | None]:
    """A list, or one document over several lines; else lines of which the first is none."""
    try:
        data = orjson.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        for line in raw.splitlines():
            yield from of_message(line)
        return
    for item in data if isinstance(data, list) else [data]:
        yield from of_message(orjson.dumps(item))
