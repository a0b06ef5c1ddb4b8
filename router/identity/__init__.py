"""Identity: which identifiers an event carries, what a fact joins, who is who, and the log that all workers follow.

The rules are a value (`rules`), which the topology sets. `log` and `merges` know Kafka, `store_rocksdb` and `inspect`
the disk; everything else is pure and stands here.
"""

from __future__ import annotations

from router.identity.extraction import Extraction
from router.identity.facts import Fact, Facts, alias, link, pack_facts, unpack_facts
from router.identity.graph import IdentityGraph
from router.identity.replica import Replica
from router.identity.rules import Identifier, Identifiers, IdentityRules
from router.identity.store import IdentityStore, Merge, Profile, digest, profile_id
from router.identity.store_memory import MemoryIdentityStore

__all__ = [
    "Extraction",
    "Fact",
    "Facts",
    "Identifier",
    "Identifiers",
    "IdentityGraph",
    "IdentityRules",
    "IdentityStore",
    "MemoryIdentityStore",
    "Merge",
    "Profile",
    "Replica",
    "alias",
    "digest",
    "link",
    "pack_facts",
    "profile_id",
    "unpack_facts",
]
