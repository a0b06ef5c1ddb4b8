"""The Faust app on a broker: what it counts is what lies in the topics, whatever ends it and whenever."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer

from router.config.loader import Loaded, load_topology
from router.config.topics import topics_of
from router.destinations.registry import destination_types
from router.embedded.broker import EmbeddedBroker
from router.errors import RouterError
from router.insights.run import MOST_BEHIND, Insights
from router.insights.serve import InsightsServer
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.process.health import Health
from router.process.serve import bind
from router.state.slot import Slot
from tests.brokers import choice
from tests.brokers.messages import eventually
from tests.insights.records import delivery, violation

PARTITIONS = 12  # of five topics: a start that seeks one after the other takes half a minute
SECONDS = 120.0


class Counting:
    """`Insights` in a thread, on its own port."""

    def __init__(self, loaded: Loaded, cluster: Cluster, state: Path) -> None:
        self.slot = Slot.take(state, "insights")
        self.health = Health()
        self.insights = Insights(loaded, cluster, self.slot, self.health, from_zero=True)
        self.stop = threading.Event()
        self.error: Exception | None = None
        self.listener = bind(("127.0.0.1", 0))
        self.url = "http://{}:{}".format(*self.listener.getsockname())
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.insights.wait_for_topics(self.stop)
            asyncio.run(self.insights.run(self.stop, InsightsServer(self.listener, self.insights.ask)))
        except RouterError as error:
            self.error = error

    def get(self, path: str, host: str = "") -> tuple[int, Any]:
        request = urllib.request.Request(self.url + path, headers={"Host": host} if host else {})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())
        except (TimeoutError, urllib.error.URLError):
            return 0, None

    def events(self) -> dict[str, int]:
        """Resolved so far, by name."""
        assert self.error is None
        status, answer = self.get("/v1/events")
        return {row["event"]: row["resolved"] for row in answer["rows"] if row["resolved"]} if status == 200 else {}

    def wait(self, **events: int) -> None:
        eventually(lambda: self.events() == events, f"{events} counted")

    def end(self) -> None:
        if self.stop.is_set():
            return
        self.stop.set()
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()
        self.insights.close()
        self.slot.release()
        self.listener.close()


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """The embedded broker; with the parameter `best` a real Kafka, where there is one."""
    if getattr(request, "param", "embedded") == "best" and not choice.missing():
        return Cluster(request.getfixturevalue("kafka"))
    embedded: EmbeddedBroker = request.getfixturevalue("embedded")
    return embedded.cluster


@pytest.fixture
def loaded(tmp_path: Path, unique: str, cluster: Cluster, request: pytest.FixtureRequest) -> Loaded:
    file = tmp_path / "shop.yaml"
    topics = f"topics: {{prefix: {unique}., partitions: {PARTITIONS}}}"
    crm = "crm: {type: file, settings: {path: ./out}}"
    file.write_text(f"name: shop\n{topics}\nsources: {{web: {{}}}}\ndestinations: {{{crm}}}\n")
    found = load_topology([file], registry=destination_types())
    specs = topics_of(found.topology).specs(["crm"])
    if cluster.capabilities.topic_administration:
        Admin(cluster).create(specs)
    else:
        embedded: EmbeddedBroker = request.getfixturevalue("embedded")
        embedded.create_topics({spec.name: spec.partitions for spec in specs})
    return found


@pytest.fixture
def start(loaded: Loaded, cluster: Cluster, tmp_path: Path) -> Iterator[Callable[[str], Counting]]:
    running: list[Counting] = []

    def begin(state: str = "state") -> Counting:
        running.append(Counting(loaded, cluster, tmp_path / state))
        return running[-1]

    yield begin
    for one in running:
        one.end()


def produce(loaded: Loaded, cluster: Cluster, *rows: tuple[str, bytes | None, dict[str, str]]) -> None:
    topics = topics_of(loaded.topology)
    producer = Producer(clients.producer(cluster))
    for name, value, headers in rows:
        producer.produce(getattr(topics, name), value, key=b"p1", headers=list(headers.items()))
    assert producer.flush(60) == 0


def abort(loaded: Loaded, cluster: Cluster, *rows: tuple[str, bytes | None, dict[str, str]]) -> None:
    """What a worker leaves that died in a transaction: records that must not count, and a marker behind them."""
    topics = topics_of(loaded.topology)
    producer = Producer(clients.transactional(cluster, f"{topics.resolved}.aborted"))
    producer.init_transactions(60)
    producer.begin_transaction()
    for name, value, headers in rows:
        producer.produce(getattr(topics, name), value, key=b"p1", headers=list(headers.items()))
    producer.flush(60)
    producer.abort_transaction(60)


def resolved(event: str) -> tuple[str, bytes, dict[str, str]]:
    return "resolved", b"{}", {"source": "web", "type": "track", "event": event}


@pytest.mark.parametrize("cluster", ["best"], indirect=True)
def test_it_counts_what_lies_in_the_topics_and_goes_on_after_being_killed_in_mid_window(
    loaded: Loaded, cluster: Cluster, start: Callable[..., Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    produce(loaded, cluster, *[resolved("A")] * 5, ("violations", violation().value, {}))
    sent = orjson.loads(delivery("delivered", 4).value or b"")
    produce(loaded, cluster, ("delivery_log", orjson.dumps(sent), {}), ("delivery_log", b"{", {}))
    if cluster.capabilities.transactions:
        abort(loaded, cluster, resolved("Never"))
    first = start()
    first.wait(A=5)
    eventually(lambda: first.health.readiness().ok, "ready")
    eventually(lambda: first.get("/v1/funnel")[0] == 200 and not first.insights._catching_up, "all is counted")

    place = (topics_of(loaded.topology).delivery_log, 0)  # goes on where it is, by the way of passing records over
    passing = first.insights._pass_over(place, MOST_BEHIND // 10)
    asyncio.run_coroutine_threadsafe(passing, first.insights._app.loop).result(SECONDS)

    monkeypatch.setattr(first.insights._state, "save", lambda: None)  # from here on: what a kill -9 leaves
    produce(loaded, cluster, *[resolved("A")] * 2, resolved("B"))
    first.wait(A=7, B=1)
    first.end()

    second = start()
    second.wait(A=7, B=1)
    destinations, violations = second.get("/v1/destinations")[1], second.get("/v1/violations")[1]
    assert [(row["name"], row["delivered"]) for row in destinations["rows"]] == [("crm", 4)]
    assert [row["count"] for row in violations["rows"]] == [1]
    assert second.insights.tables.unreadable == 1

    # Without its state it counts anew, from the topics; and beside another process, for each has all partitions.
    third = start("elsewhere")
    third.wait(A=7, B=1)
    assert second.get("/v1/events?limit=x")[0] == 400
    assert second.get("/v1/nothing")[0] == 404
    assert second.get("/v1/events", host="evil.example")[0] == 403
    app = second.insights._app
    assert not app.conf.web_enabled
    assert len(app.tables) == 0
    assert [agent.concurrency for agent in app.agents.values()] == [1]


def test_an_error_that_is_not_one_record_s_ends_it_with_nothing_of_its_batch_saved(
    loaded: Loaded, cluster: Cluster, start: Callable[..., Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust would acknowledge the event and go on without it."""
    first = start()

    def fault(*_: Any) -> None:
        raise RouterError("a fault")

    monkeypatch.setattr(first.insights.tables, "take", fault)
    produce(loaded, cluster, resolved("A"))
    eventually(lambda: first.error is not None, "it has ended")
    assert str(first.error) == "a fault"
    first.end()

    start().wait(A=1)
