"""Produces the records of a request and returns, once, whether Kafka has acknowledged all of them.

The event loop produces, a thread polls: delivery reports are counted there and handed to the loop once a poll, not once
an event. What librdkafka still holds when this process is killed has never been answered 200.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from router.events.records import Record

_POLL_SECONDS = 0.2

log = logging.getLogger(__name__)


class _Group:
    """The messages of one request that have no delivery report yet. Once produced, the polling thread's alone."""

    __slots__ = ("_owner", "answer", "failed", "left")

    def __init__(self, owner: AckProducer, size: int, answer: asyncio.Future[bool]) -> None:
        self._owner = owner
        self.left = size
        self.failed = False
        self.answer = answer

    def report(self, error: KafkaError | None, _: Message) -> None:
        self.left -= 1
        if error is not None:
            self.failed = True
        self._owner.reported += 1
        if not self.left:
            self._owner.done.append(self)


class AckProducer:
    """Create it inside a running loop; `submit` and `close` are called in that loop.

    `in_flight` is the number of messages without a report; `fatal` says why nothing can be produced any more. `note`
    gets the records before they are produced.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        ack_timeout: float,
        note: Callable[[Sequence[Record]], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        timeout_ms = max(1, int(ack_timeout * 1000))
        self._timeout = ack_timeout
        self._note = note
        self.client = Producer({**settings, "delivery.timeout.ms": timeout_ms, "error_cb": self._on_error})
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="acknowledgements", daemon=True)
        self.in_flight = 0
        self.fatal = ""
        self.reported = 0
        self.done: list[_Group] = []
        self._thread.start()

    async def submit(self, records: Sequence[Record]) -> str:
        """Produce all records: an empty text once all are acknowledged, else `overloaded` or `not_acknowledged`.

        In the latter cases some of the records may be in Kafka all the same.
        """
        group = _Group(self, len(records), self._loop.create_future())
        self.in_flight += len(records)
        if self._note is not None:
            self._note(records)
        produce: Any = self.client.produce
        for number, (topic, value, key, headers) in enumerate(records):
            try:
                produce(topic, value, key, on_delivery=group.report, headers=headers)
            except (BufferError, KafkaException) as error:
                self.in_flight -= len(records) - number
                return "overloaded" if isinstance(error, BufferError) else self._refusal(error)
        try:
            async with asyncio.timeout(self._timeout):
                return "" if await group.answer else "not_acknowledged"
        except TimeoutError:
            return "not_acknowledged"

    async def close(self, seconds: float) -> int:
        """Wait at most `seconds` for what is in flight, then end. Returns how many messages got no report."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)  # reports are counted by one thread at a time
        await asyncio.to_thread(self.client.flush, seconds)
        self._settle(*self._counted())
        left = self.in_flight
        if left:
            self.client.purge()
            await asyncio.to_thread(self.client.flush, 1.0)
        return left

    def _poll(self) -> None:
        try:
            self._deliver_reports()
        except Exception as error:  # an error that ends this thread ends the gateway, which is then restarted
            self.fatal = type(error).__name__
            log.exception("delivery reports are no longer read")

    def _deliver_reports(self) -> None:
        poll = self.client.poll
        while not self._stopping.is_set():
            poll(_POLL_SECONDS)
            if self.reported:
                self._loop.call_soon_threadsafe(self._settle, *self._counted())

    def _counted(self) -> tuple[int, list[_Group]]:
        """The reports since the last call, and the requests that are complete by them."""
        done, self.done = self.done, []
        reported, self.reported = self.reported, 0
        return reported, done

    def _settle(self, reported: int, done: Sequence[_Group]) -> None:
        self.in_flight -= reported
        for group in done:
            if not group.answer.done():
                group.answer.set_result(not group.failed)

    def _refusal(self, error: KafkaException) -> str:
        log.warning("Kafka refused a message", extra={"code": _name(error)})
        return "not_acknowledged"

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self.fatal = error.name()
        log.debug("Kafka client: %s", error.name())


def _name(error: KafkaException) -> str:
    cause = error.args[0] if error.args else error
    return cause.name() if isinstance(cause, KafkaError) else type(cause).__name__
