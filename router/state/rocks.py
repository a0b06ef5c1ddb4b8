"""A RocksDB folder that is a cache of a Kafka log: opened when it fits that log, set aside when it does not.

The log is the truth, so there is no write-ahead log: what kill -9 takes with the memtables is read again from the log,
from the checkpoint that was flushed with the rest (atomic flush: all families or none). Power loss is the same, since
table files are synced before they count. A store found damaged while it runs is marked; the next start sets it aside.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rocksdict import (
    AccessType,
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    DBCompactionStyle,
    DBCompressionType,
    Options,
    Rdict,
    UniversalCompactOptions,
    WriteBatch,
    WriteOptions,
)

from router.errors import RouterError

log = logging.getLogger(__name__)
FORMAT = "2"
META = "default"
READ_CACHE_BYTES = 8 * 1024 * 1024
_BROKEN = "BROKEN"
_IDENTITY = b"~identity"
# What RocksDB says of files that are damaged, missing or not its own; the rest (disk full, no rights, held by another
# process) is no reason to throw a store away.
_DAMAGE = re.compile("corruption|no such file|not a directory|invalid argument|not supported", re.IGNORECASE)


_NO_WAL: Any = WriteOptions()  # only the memtable takes a write
_NO_WAL.disable_wal = True


class StateError(RouterError):
    """The local store cannot be used; after a restart it is fine again, or set aside and rebuilt from the log."""

    status = 3


class _Unfit(Exception):
    """Why what is on disk must be set aside."""


def options(*, cache: Cache, write_buffer: int, hold_filters: bool = False) -> Options:
    """For point look-ups of short keys: bloom filters on whole keys, no compression of what is random anyway.

    Filters and indices lie in the cache, in parts, so that it bounds them; `hold_filters` keeps them all in memory,
    1.5 bytes a key, which saves a third of a look-up.
    """
    table = BlockBasedOptions()
    table.set_bloom_filter(10, False)
    table.set_block_cache(cache)
    if not hold_filters:
        table.set_cache_index_and_filter_blocks(True)
        table.set_pin_l0_filter_and_index_blocks_in_cache(True)
        table.set_index_type(BlockBasedIndexType.two_level_index_search())
        table.set_partition_filters(True)
        table.set_pin_top_level_index_and_filter(True)
    table.set_format_version(5)
    chosen = Options(raw_mode=True)
    chosen.create_if_missing(True)
    chosen.create_missing_column_families(True)
    chosen.set_block_based_table_factory(table)
    chosen.set_compression_type(DBCompressionType.none())
    chosen.set_write_buffer_size(write_buffer)
    chosen.set_max_write_buffer_number(4)
    chosen.set_atomic_flush(True)
    chosen.set_max_background_jobs(2)
    chosen.set_keep_log_file_num(2)
    chosen.set_max_log_file_size(1024 * 1024)
    chosen.set_stats_dump_period_sec(0)
    chosen.set_max_open_files(256)
    return chosen


def append_only(chosen: Options) -> Options:
    """For rows that are written once and dropped with their family: merge many files at a time, and seldom."""
    chosen.set_compaction_style(DBCompactionStyle.universal())
    style = UniversalCompactOptions()
    style.min_merge_width = 4
    style.size_ratio = 20
    chosen.set_universal_compaction_options(style)
    chosen.set_level_zero_file_num_compaction_trigger(8)
    chosen.set_level_zero_slowdown_writes_trigger(40)
    chosen.set_level_zero_stop_writes_trigger(60)
    return chosen


def open_store(path: Path, identity: str, make: Callable[[], Options]) -> Rdict:
    """The store at `path` if it belongs to `identity` (cluster and topic ids), else a fresh one, the old set aside.

    Raises StateError when the folder cannot be used at all.
    """
    try:
        if (path / _BROKEN).exists():
            raise _Unfit("it was found damaged")
        return _opened(path, identity, make)
    except _Unfit as error:
        why = str(error)
    set_aside(path, why)  # out of the handler: its traceback would hold the database open
    try:
        return _opened(path, identity, make)
    except _Unfit as error:
        raise StateError(f"state {path}: {error}") from error


def _opened(path: Path, identity: str, make: Callable[[], Options]) -> Rdict:
    try:
        path.mkdir(parents=True, exist_ok=True)
        present = (path / "CURRENT").exists()
        if not present and any(path.glob("*.sst")):
            raise _Unfit("its file CURRENT is missing")
        families = [name for name in Rdict.list_cf(str(path)) if name != META] if present else []
        db = Rdict(str(path), options=make(), column_families={name: make() for name in families})
        found = db.get(_IDENTITY)
    except _Unfit:
        raise
    except Exception as error:
        if type(error) is Exception and _DAMAGE.search(str(error)):
            raise _Unfit(f"it cannot be opened: {error}") from error
        raise StateError(f"state {path}: {error}") from error
    wanted = f"{FORMAT} {identity}".encode()
    if found is None:
        with guarded(path):
            db[_IDENTITY] = wanted
    elif found != wanted:
        db.close()
        raise _Unfit("it belongs to another cluster, topic or version")
    return db


def open_to_read(path: Path, logs: Path) -> Rdict:
    """A look at a store as of its last flush, also while another process writes to it. Raises StateError.

    `logs` takes what RocksDB writes about it: the store's own log belongs to its writer.
    """
    chosen = options(cache=Cache(READ_CACHE_BYTES), write_buffer=64 * 1024)
    chosen.set_db_log_dir(str(logs))
    chosen.set_max_open_files(-1)  # all at once: the writer may remove files that it has merged
    with guarded(path, mark=False):
        families = dict.fromkeys(Rdict.list_cf(str(path)), chosen)
        return Rdict(str(path), options=chosen, column_families=families, access_type=AccessType.read_only(False))


def set_aside(path: Path, why: str) -> None:
    """Rename the folder to `<name>.aside-<n>`; those of before go, since they would fill the disk."""
    older = {old: old.suffix.removeprefix(".aside-") for old in path.parent.glob(f"{path.name}.aside-*")}
    number = max((int(text) for text in older.values() if text.isdecimal()), default=0) + 1
    for old in older:
        shutil.rmtree(old)
    target = path.with_name(f"{path.name}.aside-{number}")
    log.error("state %s is set aside as %s and rebuilt from the log: %s", path, target.name, why)
    path.rename(target)


def scan(db: Any, *, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
    """Rows in key order. Raises where a plain loop over `items()` would end early: at a damaged block."""
    rows = db.iter()
    if start is None:
        rows.seek_to_first()
    else:
        rows.seek(start)
    while rows.valid():
        yield rows.key(), rows.value()
        rows.next()
    rows.status()


def estimated_rows(family: Any) -> int:
    """Rows of a family, as RocksDB estimates them."""
    return int(family.property_int_value("rocksdb.estimate-num-keys") or 0)


def size_of(path: Path) -> int:
    """Bytes on disk; files that the writer removes meanwhile count nothing."""
    total = 0
    for file in path.iterdir():
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            continue
    return total


def write(db: Any, batch: WriteBatch) -> None:
    """Apply a batch, all families or none."""
    db.write(batch, _NO_WAL)


def flush(db: Any, families: Iterable[Any]) -> None:
    """All memtables to disk: rows before the meta family, whose checkpoints vouch for them.

    A flush by hand is of one family alone; only those that RocksDB starts itself are atomic.
    """
    for family in families:
        family.flush()
    db.flush()


@contextmanager
def guarded(path: Path, *, mark: bool = True) -> Iterator[None]:
    """Turns what RocksDB raises into StateError; damage is marked, so that the next start sets the store aside."""
    try:
        yield
    except Exception as error:
        if type(error) is not Exception:  # RocksDB raises the bare class; all others are ours
            raise
        if mark and _DAMAGE.search(str(error)):
            raise damaged(path, str(error)) from error
        raise StateError(f"state {path}: {error}") from error


def damaged(path: Path, why: str) -> StateError:
    """Mark a store as damaged; the error to raise."""
    if path.is_dir():
        (path / _BROKEN).touch()
    return StateError(f"state {path}: {why}")
