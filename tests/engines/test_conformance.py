"""Both engines make the same topics of one input on a real Kafka, but for which profile of a merge an event names.

Messages of a source's own topic are read by both from the very same place, so even ids made of it agree; what goes to
`events.raw` is sent to each engine's own topic, and the receive time of it is left out of the comparison.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer

from ops.checker import read
from ops.kafka.kraft import free_port
from ops.load import write_plan
from ops.running import Process
from router.config.loader import load_topology
from router.config.options import Address
from router.config.topics import topics_of, wanted_topics
from router.destinations.registry import destination_types
from router.events.topics import Topics
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.process.scrape import scrape
from router.process.snapshot import Snapshot, snapshot

TOPOLOGY = """\
name: {name}
topics: {{prefix: {name}., partitions: 3}}
default_source: web
sources:
  web: {{write_keys: [web-key], plan: ./plan, enforce: {{violation: block, unplanned_property: omit}}}}
  app: {{write_keys: [app-key], plan: ./plan}}
  off: {{write_keys: [off-key], enabled: false}}
  orders: {{topics: [{shared}], plan: ./plan, enforce: {{violation: block, unplanned_event: block}}}}
defaults: {{destination: {{type: webhook, settings: {{url: "http://127.0.0.1:9/", allow_private: true}}}}}}
destinations:
  all: {{}}
  orders: {{types: [track], events: [Order Completed]}}
  others: {{sources: [orders, app], except: [Order Completed]}}
"""
Sent = tuple[bytes | None, bytes | None, list[tuple[str, str | bytes | None]]]
AT = "2026-01-01T00:00:00.000Z"
EVENTS = 90  # items of all messages but those of the aborted transaction
SECONDS = 60.0


def body(name: str, kind: str = "track", **more: Any) -> dict[str, Any]:
    named = {"messageId": name} if name else {}
    return {**named, "type": kind, "timestamp": AT, "anonymousId": "d-1", **more}


def order(name: str, total: Any = 20, **more: Any) -> dict[str, Any]:
    return body(name, event="Order Completed", **{"properties": {"order_id": f"o-{name}", "total": total}, **more})


def viewed(name: str, **more: Any) -> dict[str, Any]:
    return body(name, event="Product Viewed", properties={"product_id": "p"}, **more)


def of(message: object, *headers: tuple[str, str | bytes | None], key: bytes | None = b"d-1") -> Sent:
    return key, message if isinstance(message, bytes) else orjson.dumps(message), list(headers)


def own() -> Iterator[Sent]:
    """To the source's own topic."""
    yield of(order("first"))
    yield of(order("first"))  # a repeat
    yield of(order("first", total=1))  # another event of the same id
    yield of(order("", total=3))  # no id: it is made of the place
    yield of(order("bad", total="free"))
    yield of(order("bad", total="free"))
    yield of(body("unplanned", event="Nobody Planned This"))
    yield of(order("extra", note="n", properties={"order_id": "x", "total": 1, "coupon": "c"}))
    yield of(order("dear", total=99))
    yield of(order("nowhere", integrations={"All": False}))
    yield of(order("one-only", integrations={"All": False, "orders": True}))
    yield of(order("not-all", integrations={"all": False, "nobody": True}))
    yield of(order("traced"), ("traceparent", b"00-1"), ("traceparent", b"00-2"), ("empty", None))
    yield of(
        {"batch": [order("b-1"), order("b-2", total="x"), 7, order("b-1")], "sentAt": AT, "context": {"ip": "::1"}}
    )
    yield of(b"\n".join([orjson.dumps(order("n-1")), b"", b"{half", orjson.dumps(viewed("n-2"))]))
    yield of(b'{"type": "track"')
    yield of(b"")
    yield of(b"\x00\x00\x00\x00\x01" + orjson.dumps(order("framed")))
    yield of(body("typeless", kind="dance"))
    yield of(order("late", sentAt="2026-01-01T00:00:05.000Z", originalTimestamp="2026-01-01T00:00:01.000Z"))
    yield b"d-1", None, []
    for number in range(30):
        device = f"d-{number % 7}"
        message = order(f"many-{number}", total=number, anonymousId=device, userId=f"u-{number % 7 // 2}")
        yield of(message, key=device.encode())
    yield of(body("login", "identify", userId="u-1", traits={"email": "a@b.example"}))
    yield of(body("married", "alias", userId="u-1", previousId="u-0"))
    yield of(viewed("after", userId="u-0"))
    yield of(order("poison-1"))


def raw() -> Iterator[Sent]:
    """To events.raw; every event has an id, since what is made of a place differs between two topics."""
    yield of(order("raw-web"), ("write-key", b"web-key"))
    yield of(order("raw-app", total=80), ("write-key", b"app-key"))
    yield of(order("raw-nobody"), ("write-key", b"nobody's"))
    yield of(order("raw-off"), ("write-key", b"off-key"))
    yield of(order("raw-field", writeKey="app-key"))
    yield of(order("raw-default"))
    yield of(order("raw-omit", properties={"order_id": "x", "total": 1, "coupon": "c"}))
    for number in range(10):  # without a key: these go round by events.keyed
        keyless = order(f"raw-keyless-{number}", anonymousId=f"k-{number % 3}", userId=f"k{number % 3}")
        yield of(keyless, key=None)
        yield of(keyless, key=None)
    yield of(b"\n".join([orjson.dumps(order("raw-l-1")), orjson.dumps(order("raw-l-2"))]), key=None)


def send(cluster: Cluster, topic: str, messages: Iterable[Sent], transaction: str = "", *, abort: bool = False) -> None:
    settings = clients.transactional(cluster, transaction) if transaction else clients.producer(cluster)
    producer = Producer(settings)
    if transaction:
        producer.init_transactions(30)
        producer.begin_transaction()
    for key, value, headers in messages:
        producer.produce(topic, value, key, headers=headers)
        producer.flush(30)  # one batch each: both engines are free to cut theirs anywhere
    if transaction:
        (producer.abort_transaction if abort else producer.commit_transaction)(30)


class World:
    """One topology, run by one engine."""

    def __init__(self, folder: Path, cluster: Cluster, name: str, shared: str) -> None:
        self.folder, self.cluster, self.name = folder, cluster, name
        self.file = folder / f"{name}.yaml"
        self.file.write_text(TOPOLOGY.format(name=name, shared=shared))
        loaded = load_topology([self.file], env={}, registry=destination_types())
        self.topics: Topics = topics_of(loaded.topology)
        Admin(cluster).create(wanted_topics(loaded.topology))

    def run(self, engine: str, count: int) -> Snapshot:
        """Until this many events are received and the worker stands still; returns what it told last."""
        address: Address = ("127.0.0.1", free_port())
        options = ["--bootstrap", self.cluster.bootstrap, "--state", str(self.folder / "state")]
        command = ["tests.worker.faulty_route", "agent", "route", str(self.file), *options, "--engine", engine]
        route = Process([*command, "--metrics", "{}:{}".format(*address)], self.folder / f"{engine}.log")
        try:
            route.wait_ready(address)
            until = time.monotonic() + SECONDS
            while (told := snapshot(scrape(address))).received < count or told.merged < 1:
                route.insist()
                assert time.monotonic() < until, told
                time.sleep(0.2)
            assert route.stop() == 0, route.end()
        finally:
            route.close()
        return told

    def contents(self) -> dict[str, Counter[str]]:
        """Each output's messages, whatever their order, with profiles called by their first event."""
        topics, names = self.topics, self._profiles()
        outputs = {name: getattr(topics, name) for name in ("resolved", "blocked", "invalid", "violations")}
        outputs |= {name: topics.destination(name) for name in ("all", "orders", "others")}
        return {name: Counter(self._rows(topic, names)) for name, topic in outputs.items()}

    def _profiles(self) -> dict[str, str]:
        """From a profile to the least id of an event that is the same person's, by identity.merges."""
        into = {}
        for message in read(self.cluster, self.topics.merges):
            merge = orjson.loads(message.value() or b"")
            into[merge["from"]] = merge["to"]

        def last(profile: str) -> str:
            while profile in into:
                profile = into[profile]
            return profile

        events = [orjson.loads(message.value() or b"") for message in read(self.cluster, self.topics.resolved)]
        least: dict[str, str] = {}
        for event in sorted(events, key=lambda event: str(event["messageId"]), reverse=True):
            least[last(event["profileId"])] = event["messageId"]
        return {event["profileId"]: least[last(event["profileId"])] for event in events}

    def _rows(self, topic: str, names: dict[str, str]) -> Iterator[str]:
        for message in read(self.cluster, topic):
            value: Any = message.value()
            headers = list(message.headers() or ())
            with suppress(orjson.JSONDecodeError):
                value = orjson.loads(value)
            if isinstance(value, dict):
                if "profileId" in value:
                    value["profileId"] = names[value["profileId"]]
                if str(value.get("messageId")).startswith("raw-"):  # sent to each on its own
                    value.pop("receivedAt", None)
                    headers = [header for header in headers if header[0] != "received-at"]
            key = (message.key() or b"").decode()
            yield repr((names.get(key, key), headers, value)).replace(f"{self.name}.", "")


@pytest.fixture
def cluster(kafka: str) -> Cluster:
    return Cluster(kafka)


def test_both_engines_make_the_same_of_the_same_input(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    """Repeats, violations, garbage, links, aliases, several destinations, integrations, no key, batches, poison, and
    records of transactions, committed and aborted."""
    write_plan(tmp_path / "plan")
    shared = f"{unique}.shared"
    worlds = {engine: World(tmp_path, cluster, f"{unique}-{engine}", shared) for engine in ("loop", "faust")}
    send(cluster, shared, own())
    send(cluster, shared, [of(order("never"))], f"{unique}-tx", abort=True)
    send(cluster, shared, [of(order("committed"))], f"{unique}-tx")
    for world in worlds.values():
        send(cluster, world.topics.raw, raw())

    told = {engine: world.run(engine, EVENTS) for engine, world in worlds.items()}

    made = {engine: world.contents() for engine, world in worlds.items()}
    for name, rows in made["loop"].items():
        assert made["faust"][name] == rows, name
        assert rows, f"nothing in {name}: the input no longer reaches it"
    ids = "".join(made["loop"]["resolved"])
    assert "committed" in ids
    assert "never" not in ids
    assert any("poison-1" in row for row in made["loop"]["invalid"])
    for told_by in told.values():
        assert told_by.balanced
    figures = {
        engine: (
            t.received,
            t.invalid,
            t.blocked,
            t.duplicates,
            t.resolved,
            [(d.name, d.routed) for d in t.destinations],
        )
        for engine, t in told.items()
    }
    assert figures["faust"] == figures["loop"]
