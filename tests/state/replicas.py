"""What the tests of the identity replica share."""

from __future__ import annotations

from pathlib import Path

from router.identity import Fact, pack_facts
from router.state.replica import Replica


def open_replica(path: Path, *, cluster: str = "cluster", topic: str = "topic") -> Replica:
    return Replica.open(path / "identity", cluster, topic)


def record(*facts: Fact) -> bytes:
    """These facts as one record of the log."""
    (packed,) = pack_facts(facts)
    return packed
