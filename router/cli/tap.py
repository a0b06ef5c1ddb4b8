"""`router tap`: the events of a topic, as they come or as they lie there, without joining a group."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

import typer
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from router.cli.loading import named_cluster, require_broker
from router.cli.options import Json, with_run_options
from router.cli.tap_filter import EventFilter
from router.cli.tap_lines import lines, pretty, whole
from router.config.options import RunOptions
from router.document import nearest
from router.errors import RouterError, UsageError
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.failure import router_error, translated
from router.kafka.timeline import Bounds, latest, since, timeline
from router.replay.selection import moment

_POLL_SECONDS = 0.5


@with_run_options("bootstrap", "kafka")
def command(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="A topic, such as events.resolved or dest.crm.")],
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Start at the oldest message.")] = False,
    last: Annotated[
        int, typer.Option("--last", min=0, metavar="N", help="Show the last N messages that are wanted, and end.")
    ] = 0,
    from_time: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Start at a time, or at an age such as 15m.")
    ] = "",
    event: Annotated[
        list[str], typer.Option("--event", metavar="NAME", help="Only events of this name; repeatable.")
    ] = [],  # noqa: B006  typer copies it
    user: Annotated[
        list[str],
        typer.Option("--user", metavar="ID", help="Only of this user id, anonymous id or profile id; repeatable."),
    ] = [],  # noqa: B006
    where: Annotated[
        str, typer.Option("--where", metavar="FQL", help="Only events for which this condition holds.")
    ] = "",
    count: Annotated[int, typer.Option("--count", min=0, help="Stop after this many messages; 0: never.")] = 0,
    follow: Annotated[
        bool | None,
        typer.Option("--follow/--no-follow", help="Wait for new messages at the end. Default: yes, without --last."),
    ] = None,
    as_pretty: Annotated[
        bool, typer.Option("--pretty", help="Lines for people, with the reason why an event ended here.")
    ] = False,
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Print the events of a topic, one JSON object a line, committed ones only. Ctrl-C ends it.

    Without an option those that come from now on; what lies there already comes in the order of time. A topic of a
    topology with a prefix may be named without it. With --json each message is shown whole: topic, partition, offset,
    time, key, headers, value. Nothing is committed: reading disturbs nobody.
    """
    require_broker(options)
    start = moment(from_time, "--since", int(time.time() * 1000))
    wanted = EventFilter.of(event, user, where, start)
    if as_json and as_pretty:
        raise UsageError("expected one of --json and --pretty, got both")
    cluster = named_cluster(options)
    topics = Admin(cluster).topics()
    tap = Tap(cluster, resolve(topic, topics), wanted)
    found = tap.messages(
        from_beginning=from_beginning, last=last, follow=not last if follow is None else follow, count=count
    )
    show = whole_line if as_json else pretty if as_pretty else value_lines
    _print(found, show)


def whole_line(message: Message) -> Iterator[str]:
    yield whole(message)


def value_lines(message: Message) -> Iterator[str]:
    yield from lines(message.value() or b"")


def _print(found: Iterator[Message], show: Callable[[Message], Iterator[str]]) -> None:
    try:
        for message in found:
            for line in show(message):
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


def lying_there(cluster: Cluster, topic: str, count: int) -> Iterator[Message]:
    """What a topic holds now, the oldest first; at most `count` messages, 0 for all."""
    tap = Tap(cluster, topic, EventFilter())
    return tap.messages(from_beginning=True, last=0, follow=False, count=count)


class Tap:
    """The wanted messages of one topic."""

    def __init__(self, cluster: Cluster, topic: str, wanted: EventFilter) -> None:
        self._cluster = cluster
        self._topic = topic
        self._wanted = wanted

    def messages(self, *, from_beginning: bool, last: int, follow: bool, count: int) -> Iterator[Message]:
        """What lies there in the order of time, as far as it is asked for, then what comes if `follow`; at most `count`
        messages, 0 for all.
        """
        bounds = self._bounds()
        there = self._there(bounds, from_beginning=from_beginning, last=last)
        shown = 0
        for message in there:
            yield message
            shown += 1
            if shown == count:
                return
        for message in self._coming({number: at.high for number, at in bounds.items()}) if follow else ():
            yield message
            shown += 1
            if shown == count:
                return

    def _bounds(self) -> Bounds:
        admin = Admin(self._cluster)
        wanted = [(self._topic, number) for number in range(admin.topics()[self._topic])]
        found = admin.watermarks(wanted, uncommitted=False)
        return {number: at for (_, number), at in found.items()}

    def _there(self, bounds: Bounds, *, from_beginning: bool, last: int) -> Iterator[Message]:
        start = self._wanted.since
        if start is not None:
            bounds = since(self._cluster, self._topic, bounds, start)
        if last:
            return iter(latest(self._cluster, self._topic, bounds, last, self._wanted.matches))
        if from_beginning or start is not None:
            return filter(self._wanted.matches, timeline(self._cluster, self._topic, bounds))
        return iter(())

    def _coming(self, starts: Mapping[int, int]) -> Iterator[Message]:
        with translated(f"tap {self._topic}"):
            consumer = Consumer(clients.reader(self._cluster))
            try:
                consumer.assign([TopicPartition(self._topic, number, at) for number, at in starts.items()])
                while True:
                    message = consumer.poll(_POLL_SECONDS)
                    if message is None or self._ended(message.error()) or not self._wanted.matches(message):
                        continue
                    yield message
            finally:
                consumer.close()

    def _ended(self, error: KafkaError | None) -> bool:
        """Whether it says that a partition's end is reached; raises for other errors."""
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise router_error(KafkaException(error), f"tap {self._topic}")
        return error is not None
