"""The Faust app that the agents are mounted in, and its messages as they read them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from router.engines.faust.transport import Commits, NotingTransport
from router.errors import RouterError, Unavailable
from router.events.message_batch import LOG_APPEND_TIME
from router.kafka import clients
from router.kafka.cluster import Cluster
from router.worker.build import WorkerBuilder

APPENDED = 1  # LogAppendTime, as aiokafka has it
COMMIT_SECONDS = 1.0


class FaustMessage:
    """A Faust event as the agents read messages."""

    def __init__(self, message: Any) -> None:
        self._message = message

    def value(self) -> bytes | None:
        value: bytes | None = self._message.value
        return value

    def key(self) -> bytes | None:
        key: bytes | None = self._message.key
        return key

    def headers(self) -> Any:
        return list(self._message.headers or ())

    def timestamp(self) -> tuple[int, int]:
        kind = LOG_APPEND_TIME if self._message.timestamp_type == APPENDED else 1
        return kind, round(self._message.timestamp * 1000)

    def topic(self) -> str:
        return str(self._message.topic)

    def partition(self) -> int:
        return int(self._message.partition)

    def offset(self) -> int:
        return int(self._message.offset)


def refuse_security(cluster: Cluster) -> None:
    """Raises RouterError: Faust has settings of its own for SASL and TLS; ours are librdkafka's."""
    for key in cluster.overrides:
        if key.startswith(("sasl.", "ssl.", "security.")):
            raise RouterError(f"the Faust engine takes no {key}: use the engine `loop` on a cluster that needs it")


def make_app(builder: WorkerBuilder, topics: Sequence[str], commits: Commits) -> tuple[Any, Any]:
    """The app, and the channel of all input topics. Faust's assignor gives one worker the same partitions of them."""
    app = plain_app(builder.cluster, builder.topics.route_group, builder.slot.path / "faust")
    app.transport = NotingTransport(app.conf.broker, app, commits)
    return app, bytes_of(app, topics)


def raise_crash(app: Any) -> None:
    """Raise what the app has crashed of, if it has: Unavailable where its Kafka client gave up."""
    if app.crashed:
        reason = app.crash_reason
        if isinstance(reason, KafkaError):
            raise gave_up(reason) from reason
        raise reason or RouterError("the Faust app has crashed")


def gave_up(error: KafkaError) -> Unavailable:
    """What to raise for an error of Faust's Kafka client."""
    return Unavailable(f"Faust's Kafka client gave up: {type(error).__name__}")


def bytes_of(app: Any, topics: Sequence[str]) -> Any:
    """A channel of topics as they are."""
    return app.topic(*topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


def plain_app(cluster: Cluster, group: str, folder: Path) -> Any:
    """An app that makes no topics, keeps no tables and serves no pages; for the event loop that runs."""
    session = float(cluster.overrides.get("session.timeout.ms", clients.SESSION_MS)) / 1000
    return faust.App(
        group,
        broker=[f"kafka://{address}" for address in cluster.bootstrap.split(",")],
        store="memory://",
        datadir=str(folder),
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=session,
        broker_heartbeat_interval=session / 3,
        broker_commit_interval=COMMIT_SECONDS,
        stream_wait_empty=False,
        web_enabled=False,
        loop=asyncio.get_running_loop(),
    )
