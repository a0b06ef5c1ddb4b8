"""Events as Parquet: the event byte for byte in the column `json`, and what is asked for most in columns of its own.

Without a value a column is null. Times are UTC, in milliseconds. The same events are the same bytes for as long as the
library is the same one.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from router.destinations.base import Delivery
from router.events.times import milliseconds

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"PAR1"
EVENT = "json"
_TEXTS = {
    "message_id": "messageId", "type": "type", "event": "event", "user_id": "userId", "anonymous_id": "anonymousId",
    "profile_id": "profileId",
}  # fmt: skip
_TIMES = {"received_at": "receivedAt", "timestamp": "timestamp"}
_LEAST, _MOST = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999, as readers of Parquet show them
_GROUP_ROWS = 1 << 16
_READ_ROWS = 1 << 10


class NotAnArchive(ValueError):
    """In words: what was expected and what was found."""


def _schema() -> pa.Schema:
    import pyarrow as pa

    texts = [(name, pa.string()) for name in _TEXTS]
    return pa.schema([*texts, *((name, pa.timestamp("ms", "UTC")) for name in _TIMES), (EVENT, pa.string())])


def needed() -> None:
    """Raises ImportError where the library is missing."""
    importlib.import_module("pyarrow")  # only where a topology archives in this format


def encoded(events: Sequence[Delivery]) -> bytes:
    """A whole file."""
    import pyarrow as pa
    from pyarrow import parquet

    columns: dict[str, list[Any]] = {
        **{name: [_text(event.body.get(field)) for event in events] for name, field in _TEXTS.items()},
        **{name: [_time(event.body.get(field)) for event in events] for name, field in _TIMES.items()},
        EVENT: [event.value for event in events],
    }
    out = pa.BufferOutputStream()
    table = pa.table(columns, schema=_schema())
    parquet.write_table(table, out, compression="zstd", compression_level=3, row_group_size=_GROUP_ROWS)
    return bytes(out.getvalue())


def values(stream: IO[bytes]) -> Iterator[bytes]:
    """The events of a file, in order, byte for byte. Raises NotAnArchive, ImportError and what the stream raises."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(stream)
        if EVENT not in file.schema_arrow.names:
            raise NotAnArchive(f"expected a column {EVENT}, as archives have it, got {_named(file.schema_arrow.names)}")
        for batch in file.iter_batches(_READ_ROWS, columns=[EVENT]):
            yield from _bytes(batch.column(0).cast(pa.binary()).to_pylist())
    except pa.ArrowException as error:
        raise NotAnArchive(f"expected a whole Parquet file, got one that breaks: {type(error).__name__}") from error


def _bytes(found: Iterable[bytes | None]) -> Iterator[bytes]:
    return (value or b"" for value in found)


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "") or "none"


def _text(value: object) -> str | None:
    """Lone surrogates have no UTF-8: `json` has them as they were written."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _time(value: object) -> int | None:
    at = milliseconds(value)
    return at if at is not None and _LEAST <= at <= _MOST else None
