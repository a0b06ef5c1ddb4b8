"""Settings of every Kafka client, as pure functions. Durations are in milliseconds, as librdkafka has them.

Overrides win over everything here but what the guarantees rest on, which `parse_overrides` refuses.
"""

from __future__ import annotations

from typing import Any

from router.kafka.cluster import Cluster
from router.kafka.log import client_logger
from router.kafka.partitioner import PARTITIONER

Settings = dict[str, Any]

SESSION_MS = 6_000  # the shortest that brokers allow by default
SHORT_SESSION_MS = 3_000  # where a rebalance waits for the session timeout, less a second, whoever has left
MAX_POLL_MS = 60_000
TRANSACTION_MS = 10_000
DELIVERY_MS = 30_000
FIRST_CONNECT_MS = 10  # the client's 100 also hold back the connection to a broker that it has just heard of
LARGEST_MESSAGE = 1_000_000
LARGEST_DEAD_LETTER = 1_040_000  # the event as it was, and its headers


def base(cluster: Cluster) -> Settings:
    """What all clients share."""
    return {
        "bootstrap.servers": cluster.bootstrap,
        "client.id": "event-router",
        "enable.metrics.push": False,
        "log.connection.close": False,
        "logger": client_logger(cluster.secrets),
        "reconnect.backoff.max.ms": 1_000,
        "socket.keepalive.enable": True,
        "socket.nagle.disable": True,
        "topic.metadata.refresh.interval.ms": 30_000,
    }


def producer(cluster: Cluster, *, linger_ms: float = 1) -> Settings:
    """Idempotent, acknowledged by all in-sync replicas; a message fails for good after 30 s.

    lz4 costs less than nothing: events shrink to a quarter, and broker and reader save more CPU than it takes.
    """
    return base(cluster) | {
        "acks": "all",
        "compression.type": "lz4",
        "delivery.timeout.ms": DELIVERY_MS,
        "enable.idempotence": True,
        "linger.ms": linger_ms,
        "message.max.bytes": LARGEST_MESSAGE,
        "partitioner": PARTITIONER,
        "queue.buffering.max.kbytes": 65_536,
        **cluster.overrides,
    }


def transactional(cluster: Cluster, transactional_id: str, *, timeout_ms: int = TRANSACTION_MS) -> Settings:
    """A transaction of a killed producer holds its readers back for at most `timeout_ms`.

    librdkafka allows neither a delivery nor a socket timeout beyond it.
    """
    return producer(cluster) | {
        "delivery.timeout.ms": timeout_ms,
        "queue.buffering.max.kbytes": 262_144,  # a batch of 16 MiB for a dozen destinations
        "queue.buffering.max.messages": 1_000_000,
        "retry.backoff.ms": 5,  # the coordinator turns calls away while it still writes down the one before
        "socket.timeout.ms": timeout_ms,
        "transaction.timeout.ms": timeout_ms,
        **cluster.overrides,
        "transactional.id": transactional_id,
    }


def consumer(cluster: Cluster, group: str, *, session_ms: int | None = None) -> Settings:
    """A member of a group: commits only by hand, never skips a gap, reports each partition's end as an event."""
    session_ms = session_ms or (SESSION_MS if cluster.capabilities.prompt_groups else SHORT_SESSION_MS)
    return reader(cluster) | {
        "heartbeat.interval.ms": session_ms // 3,
        "max.poll.interval.ms": MAX_POLL_MS,
        "partition.assignment.strategy": "range",
        "session.timeout.ms": session_ms,
        **cluster.overrides,
        "group.id": group,
    }


def reader(cluster: Cluster, *, uncommitted: bool = False) -> Settings:
    """A consumer for `assign` with explicit offsets, in no group. `uncommitted` reads open and aborted records too."""
    return base(cluster) | {
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "fetch.error.backoff.ms": 50,
        "fetch.message.max.bytes": 1_048_576,
        "fetch.min.bytes": 1,
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": 500 if cluster.capabilities.prompt_fetch else 10,
        "group.id": "event-router-reader",
        "isolation.level": "read_uncommitted" if uncommitted else "read_committed",
        "queued.max.messages.kbytes": 32_768,
        "queued.min.messages": 20_000,
        "reconnect.backoff.ms": FIRST_CONNECT_MS,
        **cluster.overrides,
    }


def admin(cluster: Cluster) -> Settings:
    """For administration: topics, groups, offsets."""
    return base(cluster) | {"reconnect.backoff.ms": FIRST_CONNECT_MS, **cluster.overrides}
