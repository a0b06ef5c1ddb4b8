"""The identity store on RocksDB, written for each record of the log in one batch with the position it reaches.

kill -9 takes what was not flushed; the log from the flushed position on gives it back. One thread only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import orjson
from rocksdict import Cache, Options, WriteBatch

from router.identity.rules import Identifier
from router.identity.store import Merge, Profile, digest
from router.state.rocks import damaged, guarded, open_store, options, scan, write

CACHE_BYTES = 64 * 1024 * 1024
WRITE_BUFFER = 16 * 1024 * 1024
REMEMBERED = 20_000
SMALL = 2048  # bytes of a profile that is remembered unasked
ID_BYTES = 16
POSITION = b"~position"
FOLDER = "identity"  # of a slot


class RocksIdentityStore:
    """Keys: `i` + digest of an identifier, `m` + log offset to the merges of that record.

    A profile's id is the digest of its best identifier, and the profile lies there; its other identifiers hold the id.
    One that stands alone has no row; its digest is kept, since most of those that are looked up are linked next.
    What was read lately is remembered, and written through: linking looks at the same rows again and again.
    """

    def __init__(self, path: Path, identity: str, cache_bytes: int = CACHE_BYTES) -> None:
        self.path = path
        self._cache = Cache(cache_bytes)
        self._ids: dict[Identifier, str] = {}
        self._alone: dict[Identifier, bytes] = {}  # those without a row, with their digests
        self._profiles: dict[str, Profile | bytes] = {}  # as stored until they are wanted
        self._batch = WriteBatch(raw_mode=True)
        self._db: Any = open_store(path, identity, self._options)  # Rdict; its stubs know no raw keys
        with guarded(path):
            self._position = int(self._db.get(POSITION) or 0)

    @classmethod
    def open(cls, path: Path, cluster_id: str, topic_id: str) -> Self:
        """The store of this cluster's log; one that belongs elsewhere or is damaged is set aside."""
        return cls(path, f"{cluster_id} {topic_id}")

    def _options(self) -> Options:
        chosen = options(cache=self._cache, write_buffer=WRITE_BUFFER)
        chosen.set_memtable_whole_key_filtering(True)
        chosen.set_memtable_prefix_bloom_ratio(0.1)  # most identifiers that are looked up here are new
        return chosen

    def profile_of(self, identifier: Identifier) -> str:
        if identifier not in self._ids:
            self._load([identifier])
        return self._ids[identifier]

    def profiles_of(self, identifiers: Iterable[Identifier]) -> Mapping[Identifier, str]:
        """One multi-get for those not remembered."""
        self._load(set(identifiers).difference(self._ids))
        return self._ids

    def are_alone(self, identifiers: Iterable[Identifier]) -> bool:
        alone = self._alone
        for identifier in identifiers:
            if identifier not in alone:
                self.profile_of(identifier)  # maybe not looked up yet
                if identifier not in alone:
                    return False
        return True

    def _load(self, wanted: Collection[Identifier]) -> None:
        if wanted:
            keys = list(map(digest, wanted))
            values = self._db.get([b"i" + key for key in keys])
            for identifier, key, value in zip(wanted, keys, values, strict=True):
                if value is None:
                    self._alone[identifier] = key
                    self._ids[identifier] = _id(key)
                else:
                    self._ids[identifier] = self._found(key, value)

    def _found(self, key: bytes, value: bytes) -> str:
        """The profile id of a row. A profile is remembered as stored: it may be wanted next."""
        if len(value) == ID_BYTES:
            return _id(value)
        id_ = _id(key)
        if len(value) < SMALL and id_ not in self._profiles:
            self._profiles[id_] = value
        return id_

    def profile(self, id_: str) -> Profile:
        found = self._profiles.get(id_)
        if isinstance(found, Profile):
            return found
        value = found or self._db.get(b"i" + _raw(id_))
        if value is None or len(value) == ID_BYTES:
            raise damaged(self.path, "an identifier points to a profile that is not there")
        since, merges, ids = orjson.loads(value)
        profile = self._profiles[id_] = Profile(since, merges, tuple([(kind, text) for kind, text in ids]))
        return profile

    def replace(self, id_: str, profile: Profile, joined: Iterable[Identifier], removed: Iterable[str]) -> None:
        put, ids, alone, raw = self._batch.put, self._ids, self._alone, _raw(id_)
        for old in removed:
            self._profiles.pop(old, None)
        for identifier in joined:
            key = alone.pop(identifier, None) or digest(identifier)
            if key != raw:  # there the profile lies itself
                put(b"i" + key, raw)
            ids[identifier] = id_
        put(b"i" + raw, orjson.dumps(tuple(profile)))
        self._profiles[id_] = profile

    def position(self) -> int:
        return self._position

    def commit(self, offset: int, merges: Sequence[Merge]) -> None:
        if merges:
            self._batch.put(_merges(offset), orjson.dumps(list(map(tuple, merges))))
        self._batch.put(POSITION, str(offset + 1).encode())
        batch, self._batch = self._batch, WriteBatch(raw_mode=True)
        write(self._db, batch)
        self._position = offset + 1

    @contextmanager
    def session(self) -> Iterator[None]:
        """Memory is bounded between two sessions, and holds nothing that a session could not write."""
        if len(self._ids) > REMEMBERED or len(self._profiles) > REMEMBERED:
            self._forget()
        try:
            with guarded(self.path):
                yield
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        self._ids.clear()
        self._alone.clear()
        self._profiles.clear()
        self._batch = WriteBatch(raw_mode=True)

    def merges_from(self, offset: int, limit: int) -> list[tuple[int, Merge]]:
        rows: list[tuple[int, Merge]] = []
        with guarded(self.path):
            for key, value in scan(self._db, start=_merges(offset)):
                if not key.startswith(b"m") or len(rows) >= limit:
                    break
                at = int.from_bytes(key[1:], "big")
                rows += [(at, Merge(*row)) for row in orjson.loads(value)]
        return rows

    def prune_merges(self, before: int) -> None:
        batch = WriteBatch(raw_mode=True)
        batch.delete_range(_merges(0), _merges(before))
        with guarded(self.path):
            write(self._db, batch)

    def reset(self, position: int = 0) -> None:
        self._forget()
        batch = WriteBatch(raw_mode=True)
        batch.delete_range(b"i", b"n")
        batch.put(POSITION, str(position).encode())
        with guarded(self.path):
            write(self._db, batch)
            self._db.flush()
        self._position = position

    def close(self) -> None:
        """Flush, so that the next start has little to read; twice is once. It is closed even when this raises."""
        db, self._db = self._db, None
        if db is not None:
            with guarded(self.path):
                try:
                    db.flush()
                finally:
                    db.close()


def _raw(id_: str) -> bytes:
    return bytes.fromhex(id_[2:])


def _id(raw: bytes) -> str:
    return "p_" + raw.hex()


def _merges(offset: int) -> bytes:
    return b"m" + offset.to_bytes(8, "big")
