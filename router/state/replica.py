"""The identity replica on RocksDB: it follows the log of identity facts, in order, and answers who is who.

State and log position are one atomic write for each log record, so the replica always stands exactly at its position.
kill -9 takes what was not flushed; the log from the flushed position on gives it back. One thread only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import orjson
from rocksdict import Cache, Options, WriteBatch

from router import metrics
from router.identity.applier import Applier, Merge, Profile
from router.identity.facts import Fact, unpack_facts
from router.identity.identifiers import Identifier, Identifiers, digest
from router.identity.resolve import Resolver
from router.state.rocks import damaged, guarded, open_store, options, scan, write

CACHE_BYTES = 64 * 1024 * 1024
WRITE_BUFFER = 16 * 1024 * 1024
REMEMBERED = 20_000
SMALL = 2048  # bytes of a profile that is remembered unasked
ID_BYTES = 16
POSITION = b"~position"


class Replica:
    """Keys: `i` + digest of an identifier, `m` + log offset to the merges of that record.

    A profile's id is the digest of its best identifier, and the profile lies there; its other identifiers hold the id.
    What was read lately is remembered, and written through: linking looks at the same rows again and again.
    """

    def __init__(self, path: Path, identity: str, cache_bytes: int = CACHE_BYTES) -> None:
        self.path = path
        self._cache = Cache(cache_bytes)
        self._ids: dict[Identifier, str | None] = {}
        self._profiles: dict[str, Profile | bytes] = {}  # as stored until they are wanted
        self._batch = WriteBatch(raw_mode=True)
        self._db: Any = open_store(path, identity, self._options)  # Rdict; its stubs know no raw keys
        with guarded(path):
            self._position = int(self._db.get(POSITION) or 0)
        self._applier = Applier(self)
        self._resolver = Resolver(self._applier, self)

    @classmethod
    def open(cls, path: Path, cluster_id: str, topic_id: str) -> Self:
        """The replica of this cluster's log; one that belongs elsewhere or is broken is set aside."""
        return cls(path, f"{cluster_id} {topic_id}")

    def _options(self) -> Options:
        chosen = options(cache=self._cache, write_buffer=WRITE_BUFFER)
        chosen.set_memtable_whole_key_filtering(True)
        chosen.set_memtable_prefix_bloom_ratio(0.1)  # most identifiers that are looked up here are new
        return chosen

    def profile_of(self, identifier: Identifier) -> str | None:
        if identifier not in self._ids:
            self._load([identifier])
        return self._ids[identifier]

    def profiles_of(self, identifiers: Iterable[Identifier]) -> Mapping[Identifier, str | None]:
        """One multi-get for those not remembered. The answer holds them all, and maybe others."""
        self._load([identifier for identifier in identifiers if identifier not in self._ids])
        return self._ids

    def _load(self, wanted: list[Identifier]) -> None:
        if wanted:
            keys = [digest(identifier) for identifier in wanted]
            values = self._db.get([b"i" + key for key in keys])
            for identifier, key, value in zip(wanted, keys, values, strict=True):
                self._ids[identifier] = None if value is None else self._found(key, value)

    def _found(self, key: bytes, value: bytes) -> str:
        """The profile id that a row tells. A profile is kept as it is: it may be wanted next."""
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

    def replace(self, id_: str, profile: Profile, joined: Iterable[Identifier], gone: Iterable[str]) -> None:
        put, ids, raw = self._batch.put, self._ids, _raw(id_)
        for old in gone:
            self._profiles.pop(old, None)
        for identifier in joined:
            key = digest(identifier)
            if key != raw:  # there the profile lies itself
                put(b"i" + key, raw)
            ids[identifier] = id_
        put(b"i" + raw, orjson.dumps(tuple(profile)))
        self._profiles[id_] = profile

    def position(self) -> int:
        """The next log offset."""
        return self._position

    def apply_record(self, offset: int, time_ms: int, record: bytes) -> list[Merge]:
        """Apply a record of the log, once; what is no fact is skipped alike everywhere, and counted."""
        if offset < self._position:
            return []
        with self._exclusively():
            merges = self._apply(offset, time_ms, record)
            if merges:
                rows = [[merge.old, merge.new, merge.reason, merge.time_ms] for merge in merges]
                self._batch.put(_ledger(offset), orjson.dumps(rows))
            self._batch.put(POSITION, str(offset + 1).encode())
            batch, self._batch = self._batch, WriteBatch(raw_mode=True)
            write(self._db, batch)
            self._position = offset + 1
        self._resolver.note(merges)
        return merges

    def _apply(self, offset: int, time_ms: int, record: bytes) -> list[Merge]:
        facts, bad = unpack_facts(record)
        if bad:
            metrics.LINKS.labels("skipped").inc(bad)
        self.profiles_of({identifier for fact in facts for identifier in fact.ids})
        merges: list[Merge] = []
        for number, fact in enumerate(facts):
            merges += self._applier.apply(fact, time_ms, (offset << 16) + number)
        return merges

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Memory is bounded between two calls, and holds nothing that a call could not write."""
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
        self._profiles.clear()
        self._batch = WriteBatch(raw_mode=True)

    def resolve_many(self, wanted: Sequence[Identifiers]) -> tuple[list[str], list[Identifiers]]:
        """See Resolver."""
        with self._exclusively():
            return self._resolver.resolve_many(wanted)

    def wants(self, fact: Fact) -> bool:
        """Whether a fact would change anything."""
        with self._exclusively():
            return self._applier.allowed(fact) is not None

    def merges_from(self, offset: int, limit: int) -> list[tuple[int, Merge]]:
        """Merges of the log from this offset on: at least `limit` where there are that many, no record cut in two."""
        rows: list[tuple[int, Merge]] = []
        with guarded(self.path):
            for key, value in scan(self._db, start=_ledger(offset)):
                if not key.startswith(b"m") or len(rows) >= limit:
                    break
                at = int.from_bytes(key[1:], "big")
                rows += [(at, Merge(*row)) for row in orjson.loads(value)]
        return rows

    def prune_merges(self, before: int) -> None:
        """Forget the merges of offsets before this one."""
        batch = WriteBatch(raw_mode=True)
        batch.delete_range(_ledger(0), _ledger(before))
        with guarded(self.path):
            write(self._db, batch)

    def reset(self, position: int = 0) -> None:
        """Forget everything and stand at this offset; the log from there on gives it back."""
        self._forget()
        self._resolver.forget()
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


def _ledger(offset: int) -> bytes:
    return b"m" + offset.to_bytes(8, "big")
