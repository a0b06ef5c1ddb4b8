"""The Faust app that counts, and what it needs around it: positions, saving, looking at the totals, serving.

Faust reads and hands over batches; it keeps none of the state. Tables are our own (its tables forget to expire, hang in
recovery and refuse batches), positions are those saved with the tables (an exception inside its agents acknowledges the
event), a process has a group of its own, so it reads every partition and no other can take any. An error that is not
one record's ends the process; the next one goes on from what was saved.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from faust.types import TP

from router import metrics
from router.config.loader import Loaded
from router.config.options import RunOptions
from router.config.topics import topics_of
from router.engines.faust.app import FaustMessage, bytes_of, gave_up, plain_app, raise_crash, refuse_security
from router.engines.faust.transport import NotingTransport, Standing
from router.errors import Stopped, Unavailable
from router.events.topics import Topics
from router.insights.answers import Surroundings, answer
from router.insights.schema import InsightsAnswer
from router.insights.serve import InsightsServer
from router.insights.state import InsightsState
from router.insights.tables import InsightRecord, InsightTables
from router.insights.totals import CommittedTotals
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.log import calm
from router.kafka.offsets import PartitionKey
from router.process.health import Health
from router.process.reload import Reload
from router.process.serve import bind
from router.state.slot import Slot

BATCH, WAIT_SECONDS = 500, 0.25
TURN_SECONDS, LOOK_SECONDS, SAVE_SECONDS = 0.25, 5.0, 10.0
STUCK_SECONDS = 60.0
MOST_BEHIND = 100_000  # records of a partition of events.resolved; beyond it the older ones are passed over

log = logging.getLogger(__name__)


def kinds_of(topics: Topics) -> dict[str, str]:
    """What is read, and as what."""
    return {
        topics.resolved: "resolved",
        topics.blocked: "blocked",
        topics.invalid: "invalid",
        topics.violations: "violations",
        topics.delivery_log: "delivery",
    }


def run_insights(
    loaded: Loaded, options: RunOptions, stop: threading.Event, health: Health, reload: Reload[Any] | None = None
) -> None:
    """Count and answer until `stop` is set. Raises RouterError."""
    with ExitStack() as stack:
        cluster = Cluster.of(options)
        refuse_security(cluster)
        calm("aiokafka", "faust", "mode")
        assert options.insights is not None
        listener = stack.enter_context(bind(options.insights, shared=options.supervised))
        slot = Slot.take(options.state / loaded.topology.name, "insights")
        stack.callback(slot.release)
        insights = Insights(loaded, cluster, slot, health, from_zero=options.embedded)
        stack.callback(insights.close)
        if reload is not None:
            reload.use(insights.use)
        insights.wait_for_topics(stop)
        server = InsightsServer(listener, insights.ask)
        log.info("insights", extra={"insights": "http://{}:{}".format(*listener.getsockname()[:2])})
        asyncio.run(insights.run(stop, server))


class Insights:
    """Tables, their file, and the app that fills them. All of it runs in one event loop but reading totals, saving."""

    def __init__(self, loaded: Loaded, cluster: Cluster, slot: Slot, health: Health, *, from_zero: bool) -> None:
        self._cluster, self._slot, self._health, self._from_zero = cluster, slot, health, from_zero
        self._topics = topics_of(loaded.topology)
        self._admin = Admin(cluster, timeout=5.0)
        self._totals = CommittedTotals(cluster, loaded.topology)
        self._state = InsightsState(slot.path)
        self.tables = InsightTables(kinds_of(self._topics), _now())
        self.tables.load(self._state.load())
        self.use(loaded)
        self._failed: Exception | None = None
        self._catching_up = True
        self._app: Any = None  # made in the loop that runs it

    def use(self, loaded: Loaded) -> Callable[[], None] | None:
        """The topology has changed: its names, and whose totals are read."""
        topology = loaded.topology
        self._names = (tuple(topology.sources), tuple(topology.destinations))
        self._totals.use(topology)
        return None

    def ask(self, path: str, query: dict[str, str]) -> InsightsAnswer:
        """Raises UsageError."""
        return answer(self.tables, path, query, _now(), Surroundings(*self._names, self._catching_up))

    def wait_for_topics(self, stop: threading.Event) -> None:
        """Faust does not take to topics that are not there. Forgets positions in topics that were made anew."""
        wanted = set(self.tables.kinds)
        while missing := wanted - self._present():
            self._health.ready("kafka", False, f"waiting for {', '.join(sorted(missing))}")
            if stop.wait(1.0):
                raise Stopped("stopped while waiting for topics")
        positions = self.tables.positions
        ends = self._admin.watermarks(place for place in positions if place[0] in wanted)
        for place, end in ends.items():
            if positions[place] > end.high:
                log.warning("%s [%d] ends at %d, before %d: it was made anew", *place, end.high, positions[place])
                del positions[place]

    def _present(self) -> set[str]:
        try:
            return set(self._admin.topics())
        except Unavailable:
            return set()

    async def run(self, stop: threading.Event, server: InsightsServer) -> None:
        """Raises what ended it."""
        self._health.ready("kafka", False, "joining the group")
        self._health.progress("insights", STUCK_SECONDS)
        self._app = self._make_app()
        await server.start()
        try:
            await self._app.start()
            await self._turns(stop)
        except KafkaError as error:
            raise gave_up(error) from error
        finally:
            await self._app.stop()
            await server.stop()
            await self._save()

    def close(self) -> None:
        self._totals.close()
        self._state.close()

    def _make_app(self) -> Any:
        app = plain_app(self._cluster, self._topics.insights_group(self._slot.id), self._slot.path / "faust")
        app.transport = NotingTransport(
            app.conf.broker, app, _NoCommits(), lambda place: self.tables.positions.get(place)
        )
        app.agent(bytes_of(app, sorted(self.tables.kinds)), name="insights", concurrency=1)(self._consume)
        return app

    async def _consume(self, stream: Any) -> None:
        """The agent. At most half of a core: it rests as long as it works."""
        async for events in stream.noack_take(BATCH, WAIT_SECONDS):
            started = time.monotonic()
            try:
                now = _now()
                for event in events:
                    self.tables.take(_record(FaustMessage(event.message)), now)
            except Exception as error:  # noqa: BLE001  raised by `run`, which ends the process
                self._failed = error
                await asyncio.Event().wait()
            for event in events:
                await stream.ack(event)
            self._health.beat("insights")
            await asyncio.sleep(time.monotonic() - started)

    async def _turns(self, stop: threading.Event) -> None:
        look = save = 0.0
        while not stop.is_set():
            self._raise_failure()
            now = time.monotonic()
            if now >= look:
                look = now + LOOK_SECONDS
                await self._look()
            if now >= save:
                save = now + SAVE_SECONDS
                await self._save()
            await asyncio.sleep(TURN_SECONDS)

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise self._failed
        raise_crash(self._app)

    async def _look(self) -> None:
        """Read the totals; see how far behind the counts are."""
        try:
            found = await asyncio.get_running_loop().run_in_executor(None, self._totals.read)
        except Unavailable as error:
            self._health.ready("kafka", False, str(error))
            self._catching_up = True
            self._health.idle("insights", "no broker answers")
            return
        self.tables.look(found, _now(), from_zero=self._from_zero)
        if self._app.rebalancing or not self._app.consumer_generation_id:
            return
        standings: dict[PartitionKey, Standing] = await self._app.consumer.standings()
        behind = {place: self._behind(place, one) for place, one in standings.items()}
        for place, count in behind.items():
            if count > MOST_BEHIND and self.tables.kinds[place[0]] == "resolved":
                await self._pass_over(place, count)
        waiting = sum(behind.values())
        self._catching_up = waiting > 0
        metrics.INSIGHTS_WAITING.set(waiting)
        metrics.INSIGHTS_SKIPPED.set(self.tables.skipped)
        if standings:
            self._health.ready("kafka", True)
        if not waiting:
            self._health.idle("insights")

    def _behind(self, place: PartitionKey, one: Standing) -> int:
        if one.end is None or (one.position >= one.end and (one.handed or 0) <= self.tables.positions.get(place, 0)):
            return 0
        return max(0, one.end - self.tables.positions.get(place, 0))

    async def _pass_over(self, place: PartitionKey, behind: int) -> None:
        to = self.tables.positions.get(place, 0) + behind - MOST_BEHIND // 10
        log.warning("%s [%d]: %d records behind, goes on at %d", *place, behind, to)
        self.tables.skip(*place, to)
        await self._app.consumer.seek_wait({TP(*place): to})

    async def _save(self) -> None:
        self._state.add(self.tables.seal(_now()))
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._state.save)
        except Unavailable as error:
            log.error("%s", error)
            self._health.ready("state", False, str(error))
        else:
            self._health.ready("state", True)
        metrics.INSIGHTS_STATE.labels("memory").set(self.tables.size)
        metrics.INSIGHTS_STATE.labels("disk").set(self._state.size)


class _NoCommits:
    """Commits of the group say where it stands, for people; nothing rests on them."""

    def note(self, place: PartitionKey, offset: int) -> str:
        return ""

    def landed(self, place: PartitionKey, offset: int) -> None:
        pass


def _record(message: FaustMessage) -> InsightRecord:
    headers: dict[str, str] = {}
    for name, raw in message.headers():
        if name in ("source", "type", "event") and raw is not None and name not in headers:
            headers[name] = raw.decode("utf-8", "replace")
    at = message.timestamp()[1]
    return InsightRecord(
        message.topic(), message.partition(), message.offset(), at, message.key(), message.value(), headers
    )


def _now() -> int:
    return int(time.time() * 1000)
