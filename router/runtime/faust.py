"""The same agents in a Faust app: batches in, at least once, our windowed table and replica instead of Faust's tables.

For teams that run Faust already. Order of a batch: outputs flushed, changelog flushed, local state written; only then
does Faust acknowledge its events. kill -9 repeats at most what was not acknowledged; the restored window drops what
was durable of it. An unexpected error ends the process before anything is acknowledged, since leaving the loop
would acknowledge the batch. Totals are this process's own: Faust's commits carry no metadata.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import faust

from router.agents.chain import Chain
from router.config.loader import Loaded
from router.config.options import RunOptions
from router.errors import RouterError
from router.process.health import Health
from router.process.reload import Reload
from router.runtime.assemble import input_topics
from router.runtime.outputs import Work
from router.runtime.reader import Lane
from router.runtime.route import Opening, Parts, calm_collector
from router.runtime.tally import changelog_of, count, hide, show
from router.runtime.totals import Totals

log = logging.getLogger(__name__)
BATCH_EVENTS = 2000
WAIT_SECONDS = 0.02
FAULT = 70
STUCK_SECONDS = 120.0
LOG_APPEND_TIME = 1  # as aiokafka has it


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
        headers = self._message.headers
        return list(headers.items()) if isinstance(headers, dict) else headers

    def timestamp(self) -> tuple[int, int]:
        kind = 2 if self._message.timestamp_type == LOG_APPEND_TIME else 1
        return kind, round(self._message.timestamp * 1000)

    def topic(self) -> str:
        return str(self._message.topic)

    def partition(self) -> int:
        return int(self._message.partition)

    def offset(self) -> int:
        return int(self._message.offset)


def run_faust(
    loaded: Loaded, options: RunOptions, stop: threading.Event, health: Health, reload: Reload[Chain] | None = None
) -> None:
    """Run the agents on Faust until `stop` is set. Raises RouterError as `run_route` does."""
    with ExitStack() as stack:
        opening = Opening(loaded, options, health, stack, transactions=False, reload=reload)
        engine = Engine(opening, input_topics(loaded.topology))
        calm_collector()
        asyncio.run(engine.run(stop))


class Engine:
    """One Faust app around the parts of a worker. State is touched by one batch at a time."""

    def __init__(self, opening: Opening, topics: Sequence[str]) -> None:
        self._opening = opening
        self._parts: Parts = opening.parts()
        self._outputs = opening.outputs("")
        self._health = opening.health
        self._busy = asyncio.Lock()
        self.lanes: dict[tuple[str, int], int] = {}
        self._rows: list[Lane] = []
        self._topics = list(topics)
        self.app: Any = None  # made in the loop that runs it

    def _app(self) -> Any:
        cluster = self._opening.cluster
        app: Any = faust.App(
            self._opening.topics.route_group,
            broker=[f"kafka://{address}" for address in cluster.bootstrap.split(",")],
            broker_credentials=_credentials(cluster.overrides),
            store="memory://",
            datadir=str(Path(self._opening.slot.path) / "faust"),
            topic_allow_declare=False,
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            broker_session_timeout=10.0,
            broker_heartbeat_interval=3.0,
            broker_commit_interval=1.0,
            stream_wait_empty=False,
            web_enabled=False,
            loop=asyncio.get_running_loop(),
        )
        channel = app.topic(
            *self._topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        app.agent(channel, name="route", concurrency=1)(self._consume)
        app.on_partitions_assigned.connect(self._assigned)
        app.on_partitions_revoked.connect(self._revoked)
        return app

    async def run(self, stop: threading.Event) -> None:
        """Start the app, wait for `stop` or a crash, stop the app."""
        self._health.progress("route", STUCK_SECONDS)
        self.app = self._app()
        await self.app.start()
        try:
            while not stop.is_set():
                await asyncio.sleep(0.2)
                if self.app.crashed:
                    raise RouterError("the Faust app has crashed; see its log")
                if not self._busy.locked():
                    async with self._busy:
                        await self._in_thread(self._housekeeping)
        finally:
            await self.app.stop()
            self._close()

    def _housekeeping(self) -> None:
        self._parts.renew()
        self._parts.links.follow()
        self._parts.merges.feed()
        self._health.idle("route")

    async def _consume(self, stream: Any) -> AsyncIterator[None]:
        async for events in stream.take_events(BATCH_EVENTS, WAIT_SECONDS):
            try:
                async with self._busy:
                    await self._in_thread(self._batch, [FaustMessage(event.message) for event in events])
            except Exception:
                log.exception("the batch failed; the process ends so that it is not acknowledged")
                os._exit(FAULT)
            yield

    async def _in_thread(self, call: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, call, *arguments)

    def _batch(self, messages: list[FaustMessage]) -> None:
        """The whole way of a batch, in a thread of its own: the event loop goes on with heartbeats."""
        messages = [m for m in messages if (m.topic(), m.partition()) in self.lanes]
        if not messages:
            return
        parts = self._parts
        parts.renew()
        parts.links.follow()
        batch = parts.chain.run(messages, self.lanes)
        landed = self._outputs.commit(Work(batch.records, changelog_of(batch, self._rows), [], None))
        parts.window.write([(key, at) for key, (at, _) in batch.fresh.items()], landed)
        for index, lane in enumerate(self._rows):
            lane.totals.add(batch, index)
            show(lane)
        count(batch)
        parts.merges.feed()
        self._health.beat("route")

    async def _assigned(self, _: Any, assigned: set[Any], **__: Any) -> None:
        """Bring state up to date before the first event of the new partitions."""
        async with self._busy:
            places = sorted((tp.topic, tp.partition) for tp in assigned if tp.topic in self._topics)
            before = {(lane.topic, lane.partition): lane.totals for lane in self._rows}
            self._rows = [Lane(*place, -1, -1, before.get(place, Totals())) for place in places]
            self.lanes = {place: index for index, place in enumerate(places)}
            await self._in_thread(self._restore, {partition for _, partition in places})
            self._health.ready("kafka", True)
            self._health.ready("state", True)

    def _restore(self, partitions: set[int]) -> None:
        restore = self._opening.restore(self._parts.window, partitions)
        self._parts.links.look()
        while not (restore.done and self._parts.links.caught_up):
            restore.step(0.2)
            self._parts.links.follow(0.05)
        restore.close()

    async def _revoked(self, _: Any, revoked: set[Any], **__: Any) -> None:
        async with self._busy:
            for lane in self._rows:
                hide(lane)

    def _close(self) -> None:
        self._parts.merges.close()
        self._outputs.close()
        self._parts.links.close()
        self._parts.window.close()


def _credentials(overrides: Any) -> Any:
    """Faust has settings of its own for SASL and TLS; ours are librdkafka's."""
    given = [key for key in overrides if key.startswith(("sasl.", "ssl.", "security."))]
    if given:
        raise RouterError(f"the Faust engine takes no {given[0]}: use the engine `loop` on a cluster that needs it")
    return None
