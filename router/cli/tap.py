"""`router tap`: the events of a topic as they come, as NDJSON, without joining a group."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, cast

import orjson
import typer
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from router.cli.loading import require_broker
from router.cli.options import Json, with_run_options
from router.config.options import RunOptions
from router.document import nearest
from router.errors import RouterError, UsageError
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.failure import router_error, translated
from router.process.logging import as_json_text

_POLL_SECONDS = 0.5


@with_run_options("bootstrap", "kafka")
def command(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="A topic, such as events.resolved or dest.crm.")],
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Start at the oldest message.")] = False,
    count: Annotated[int, typer.Option("--count", min=0, help="Stop after this many messages; 0: never.")] = 0,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Wait for new messages at the end.")] = True,
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Print the events of a topic as they come, one JSON object a line, committed ones only. Ctrl-C ends it.

    A topic of a topology with a prefix may be named without it. With --json each message is shown whole: topic,
    partition, offset, time, key, headers, value. Nothing is committed: reading disturbs nobody.
    """
    require_broker(options)
    cluster = Cluster.of(options)
    topics = Admin(cluster).topics()
    name = resolve(topic, topics)
    try:
        for message in messages(cluster, name, topics[name], from_beginning, count, follow):
            for line in [whole(message)] if as_json else lines(message.value() or b""):
                sys.stdout.write(line + "\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone: nothing more to say


def resolve(asked: str, topics: dict[str, int]) -> str:
    """The topic of this name, else the only one that a prefix makes of it. Raises UsageError or RouterError."""
    if asked in topics:
        return asked
    found = sorted(name for name in topics if name.endswith((f".{asked}", f"-{asked}")))
    if len(found) > 1:
        raise UsageError(f"expected a topic's whole name, got {asked}, which may be {' or '.join(found)}")
    if not found:
        hint = nearest(asked, topics)
        raise RouterError(f"expected a topic, got {asked}" + (f" (did you mean {hint}?)" if hint else ""))
    return found[0]


def messages(
    cluster: Cluster, topic: str, partitions: int, from_beginning: bool, count: int, follow: bool
) -> Iterator[Message]:
    """Messages as they come; ends after `count`, or at the present end of all partitions unless `follow`."""
    start = OFFSET_BEGINNING if from_beginning else OFFSET_END
    with translated(f"tap {topic}"):
        consumer = Consumer(clients.reader(cluster))
        try:
            consumer.assign([TopicPartition(topic, number, start) for number in range(partitions)])
            ended: set[int | None] = set()
            shown = 0
            while follow or len(ended) < partitions:
                message = consumer.poll(_POLL_SECONDS)
                if message is None:
                    continue
                if (error := message.error()) is not None:
                    _judge(error, topic)
                    ended.add(message.partition())
                    continue
                yield message
                shown += 1
                if shown == count:
                    return
        finally:
            consumer.close()


def _judge(error: KafkaError, topic: str) -> None:
    """Returns at the end of a partition; raises for the rest."""
    if error.code() != KafkaError._PARTITION_EOF:
        raise router_error(KafkaException(error), f"tap {topic}")


def lines(value: bytes) -> list[str]:
    """A message's value as NDJSON: JSON on one line, several events on several; what is no JSON as {"bytes": text}."""
    parsed = _parsed(value)
    if parsed is not None:
        return [as_json_text(parsed)]
    parts = [part for part in value.split(b"\n") if part.strip()]
    return [as_json_text(_parsed(part) or {"bytes": part.decode(errors="backslashreplace")}) for part in parts]


def whole(message: Message) -> str:
    """A message as one JSON object; `value` is JSON where it is, else `bytes` is its text."""
    value = message.value() or b""
    parsed = _parsed(value)
    _, created = message.timestamp()
    headers = cast("Sequence[tuple[str, bytes | None]]", message.headers() or ())
    shown: dict[str, Any] = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": created,
        "key": _text(message.key()),
        "headers": {name: _text(content) for name, content in headers},
    }
    shown |= {"bytes": _text(value)} if parsed is None else {"value": parsed}
    return as_json_text(shown)


def _parsed(value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def _text(value: bytes | str | None) -> str | None:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
