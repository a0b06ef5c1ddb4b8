"""The identity replica on RocksDB: it follows the log of identity facts, in order, and answers who is who.

State and log position are one atomic write for each log record, so the replica always stands exactly at its position.
kill -9 takes what was not flushed; the log from the flushed position on gives it back. One thread only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import orjson
from rocksdict import Cache, Options, WriteBatch

from router import metrics
from router.identity.applier import Applier, Merge, Profile
from router.identity.facts import Fact, FactError, unpack_facts
from router.identity.identifiers import Identifier, Identifiers
from router.identity.resolve import Resolver
from router.state.rocks import guarded, no_wal, open_store, options

CACHE_BYTES = 64 * 1024 * 1024
WRITE_BUFFER = 16 * 1024 * 1024
_POSITION = b"~position"


class Replica:
    """Keys: `i` + hash of an identifier to its profile's id; `p` + id to a profile; `m` + offset to its merges."""

    def __init__(self, path: Path, identity: str, cache_bytes: int = CACHE_BYTES) -> None:
        self.path = path
        self._cache = Cache(cache_bytes)
        self._write = no_wal()
        self._db: Any = open_store(path, identity, self._options)  # Rdict; its stubs know no raw keys
        self._staged: dict[bytes, bytes | None] = {}
        self._position = int(self._db.get(_POSITION) or 0)
        self._applier = Applier(self)
        self._resolver = Resolver(self._applier, self)

    @classmethod
    def open(cls, path: Path, cluster_id: str, topic_id: str) -> Self:
        """The replica of this cluster's log; one that belongs elsewhere or is broken is set aside."""
        return cls(path, f"{cluster_id} {topic_id}")

    def _options(self) -> Options:
        return options(cache=self._cache, write_buffer=WRITE_BUFFER)

    def _get(self, key: bytes) -> bytes | None:
        if key in self._staged:
            return self._staged[key]
        value: bytes | None = self._db.get(key)
        return value

    def profile_of(self, identifier: Identifier) -> str | None:
        found = self._get(_key(identifier))
        return None if found is None else _id(found)

    def profiles_of(self, identifiers: Iterable[Identifier]) -> Mapping[Identifier, str | None]:
        """One multi-get for all."""
        wanted = list(identifiers)
        with guarded(self.path):
            values = self._db.get([_key(identifier) for identifier in wanted])
        return {i: None if v is None else _id(v) for i, v in zip(wanted, values, strict=True)}

    def profile(self, id_: str) -> Profile:
        value = self._get(b"p" + _raw(id_))
        assert value is not None
        since, merges, ids = orjson.loads(value)
        return Profile(since, merges, tuple((kind, text) for kind, text in ids))

    def replace(self, id_: str, profile: Profile, joined: Iterable[Identifier], gone: Iterable[str]) -> None:
        raw = _raw(id_)
        for old in gone:
            self._staged[b"p" + _raw(old)] = None
        self._staged[b"p" + raw] = orjson.dumps([*profile])
        for identifier in joined:
            self._staged[_key(identifier)] = raw

    def position(self) -> int:
        """The next log offset."""
        return self._position

    def apply_record(self, offset: int, time_ms: int, record: bytes) -> list[Merge]:
        """Apply a record of the log, once; what is no record of facts is skipped alike everywhere, and counted."""
        if offset < self._position:
            return []
        with guarded(self.path):
            merges = self._apply(offset, time_ms, record)
            batch = WriteBatch(raw_mode=True)
            for key, value in self._staged.items():
                if value is None:
                    batch.delete(key)
                else:
                    batch.put(key, value)
            if merges:
                rows = [[merge.old, merge.new, merge.reason, merge.time_ms] for merge in merges]
                batch.put(_ledger(offset), orjson.dumps(rows))
            batch.put(_POSITION, str(offset + 1).encode())
            self._db.write(batch, self._write)
        self._staged = {}
        self._position = offset + 1
        self._resolver.note(merges)
        return merges

    def _apply(self, offset: int, time_ms: int, record: bytes) -> list[Merge]:
        merges: list[Merge] = []
        try:
            facts = unpack_facts(record)
        except FactError:
            metrics.LINKS.labels("skipped").inc()
            return merges
        for number, fact in enumerate(facts):
            merges += self._applier.apply(fact, time_ms, (offset << 16) + number)
        return merges

    def resolve_many(self, wanted: Sequence[Identifiers]) -> tuple[list[str], list[int]]:
        """See Resolver."""
        return self._resolver.resolve_many(wanted)

    def wants(self, fact: Fact) -> bool:
        """Whether a fact would change anything."""
        with guarded(self.path):
            return self._applier.allowed(fact) is not None

    def merges_from(self, offset: int, limit: int) -> list[tuple[int, Merge]]:
        """Merges of the log from this offset on: at least `limit` where there are that many, no record cut in two."""
        rows: list[tuple[int, Merge]] = []
        with guarded(self.path):
            for key, value in self._db.items(from_key=_ledger(offset)):
                if not key.startswith(b"m") or len(rows) >= limit:
                    break
                at = int.from_bytes(key[1:], "big")
                rows += [(at, Merge(*row)) for row in orjson.loads(value)]
        return rows

    def prune_merges(self, before: int) -> None:
        """Forget the merges of offsets before this one."""
        with guarded(self.path):
            self._db.delete_range(_ledger(0), _ledger(before), write_opt=self._write)

    def reset(self) -> None:
        """Forget everything; the log from its beginning gives it back."""
        with guarded(self.path):
            self._db.delete_range(b"i", b"q", write_opt=self._write)
            self._db.delete(_POSITION)
        self._staged, self._position = {}, 0
        self._resolver.forget()

    def close(self) -> None:
        """Flush, so that the next start has little to read."""
        with guarded(self.path):
            self._db.flush()
            self._db.close()


def _key(identifier: Identifier) -> bytes:
    kind, value = identifier
    return b"i" + blake2b(f"{kind}\0{value}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _raw(id_: str) -> bytes:
    return bytes.fromhex(id_[2:])


def _id(raw: bytes) -> str:
    return "p_" + raw.hex()


def _ledger(offset: int) -> bytes:
    return b"m" + offset.to_bytes(8, "big")
