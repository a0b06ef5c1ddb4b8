"""What the tests of the window share: stores of both kinds, keys, times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

from router.dedupe.changelog import pack
from router.dedupe.window import First, Row, Rows
from router.dedupe.window_rocksdb import RocksWindow

HOUR = 3_600_000
DAY = 24 * HOUR
NOON = 1_767_225_600_000 + 12 * HOUR
MARK = b"\1\2"


def key(name: object) -> bytes:
    return blake2b(repr(name).encode(), digest_size=16).digest()


def keys(names: object, count: int) -> list[bytes]:
    return [key((names, number)) for number in range(count)]


def rows_of(rows: Iterable[Row]) -> Rows:
    """Rows as the window takes them."""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return Rows.of(*columns)


def packed(rows: Sequence[Row]) -> bytes:
    """One record of the changelog."""
    (record,) = pack(rows_of(rows), [len(rows)])
    return record


def first_times(found: Sequence[First | None]) -> list[int | None]:
    """What a look-up found, without marks."""
    return [None if first is None else first[0] for first in found]


def open_window(path: Path, *, cluster: str = "cluster", topic: str = "topic", window_ms: int = DAY) -> RocksWindow:
    return RocksWindow.open(path / "window", cluster, topic, window_ms=window_ms)


def asides(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir() if ".aside-" in file.name)


def tables(path: Path) -> list[Path]:
    return sorted((path / "window").glob("*.sst"))


def damage(file: Path) -> None:
    """Overwrite a part of it, as a bad disk would."""
    content = bytearray(file.read_bytes())
    content[len(content) // 4 : len(content) // 4 + 2000] = b"\xa5" * 2000
    file.write_bytes(content)
