"""A RocksDB folder that is a cache of a Kafka log: opened when it fits that log, set aside when it does not.

The log is the truth, so there is no write-ahead log: what kill -9 takes with the memtables is read again from the log,
from the checkpoint that was flushed with the rest (atomic flush: all families or none).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
    WriteOptions,
)

from router.errors import RouterError

log = logging.getLogger(__name__)
FORMAT = "1"
META = "default"
_BROKEN = "BROKEN"
_IDENTITY = b"~identity"


class StateError(RouterError):
    """The local store cannot be used; a restart sets it aside and rebuilds it from the log."""

    status = 3


def options(*, cache: Cache, write_buffer: int) -> Options:
    """For point look-ups of short keys: bloom filters on whole keys, no compression of what is random anyway."""
    table = BlockBasedOptions()
    table.set_bloom_filter(10, False)
    table.set_block_cache(cache)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    table.set_format_version(5)
    chosen = Options(raw_mode=True)
    chosen.create_if_missing(True)
    chosen.create_missing_column_families(True)
    chosen.set_block_based_table_factory(table)
    chosen.set_compression_type(DBCompressionType.none())
    chosen.set_write_buffer_size(write_buffer)
    chosen.set_atomic_flush(True)
    chosen.set_max_background_jobs(2)
    chosen.set_keep_log_file_num(2)
    chosen.set_max_open_files(256)
    return chosen


def no_wal() -> WriteOptions:
    """Writes that only the memtable takes."""
    chosen: Any = WriteOptions()
    chosen.disable_wal = True
    return cast("WriteOptions", chosen)


def open_store(path: Path, identity: str, make: Callable[[], Options]) -> Rdict:
    """The store at `path` if it belongs to `identity` (cluster and topic ids), else a fresh one, the old set aside."""
    if path.exists() and (path / _BROKEN).exists():
        _set_aside(path, "it was found corrupted")
    try:
        return _opened(path, identity, make)
    except StateError as error:
        _set_aside(path, str(error))
        return _opened(path, identity, make)


def _opened(path: Path, identity: str, make: Callable[[], Options]) -> Rdict:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        families = [name for name in Rdict.list_cf(str(path)) if name != META] if (path / "CURRENT").exists() else []
        db = Rdict(str(path), options=make(), column_families={name: make() for name in families})
        found = db.get(_IDENTITY)
    except Exception as error:
        raise StateError(f"it cannot be opened: {type(error).__name__}") from error
    wanted = f"{FORMAT} {identity}".encode()
    if found is None:
        batch = WriteBatch(raw_mode=True)
        batch.put(_IDENTITY, wanted)
        db.write(batch)
    elif found != wanted:
        db.close()
        raise StateError("it belongs to another cluster, topic or version")
    return db


def _set_aside(path: Path, why: str) -> None:
    number = 1
    while (target := path.with_name(f"{path.name}.aside-{number}")).exists():
        number += 1
    log.error("state %s is set aside as %s and rebuilt from the log: %s", path, target.name, why)
    path.rename(target)


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turns what RocksDB raises into StateError; corruption is marked so that the next start sets the store aside."""
    try:
        yield
    except RouterError:
        raise
    except Exception as error:
        if "orruption" in str(error):
            (path / _BROKEN).touch()
        raise StateError(f"state {path}: {type(error).__name__}: {error}") from error
