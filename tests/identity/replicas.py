"""What the tests of the identity replica share."""

from __future__ import annotations

from pathlib import Path

from router.identity import Fact, IdentityRules, MemoryIdentityStore, Replica, pack_facts
from router.identity.store_rocksdb import RocksIdentityStore


def open_replica(path: Path, *, cluster: str = "cluster", topic: str = "topic") -> Replica:
    return Replica(RocksIdentityStore.open(path / "identity", cluster, topic), IdentityRules())


def memory_replica() -> Replica:
    return Replica(MemoryIdentityStore(), IdentityRules())


def memory(replica: Replica) -> MemoryIdentityStore:
    """The store of a replica in memory."""
    assert isinstance(replica.store, MemoryIdentityStore)
    return replica.store


def record(*facts: Fact) -> bytes:
    """These facts as one record of the log."""
    (packed,) = pack_facts(facts)
    return packed
