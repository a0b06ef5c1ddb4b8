"""A real gateway for tests: served from a thread, on topics of its own, with what reached Kafka at hand."""

from __future__ import annotations

import asyncio
import base64
import gzip
import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, NamedTuple, cast

from confluent_kafka import Consumer, Message, TopicPartition

from router.config.loader import Loaded
from router.config.models import Topology
from router.config.options import Address, RunOptions
from router.config.topics import topics_of
from router.embedded.broker import EmbeddedBroker
from router.errors import RouterError
from router.events.topics import REGISTRY, Topics, TopicSpec
from router.gateway.server import serve
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.process.health import Health
from router.process.reload import Reload
from tests.brokers.messages import DEADLINE, eventually, to_the_end

PARTITIONS = 4
KEY = "web-key-1"
TRACK = {"userId": "u1", "event": "Order Completed", "properties": {"total": 9.5}}


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class Running:
    """A gateway that answers at `address`. `new` gives what reached a topic since the last call."""

    address: Address
    cluster: Cluster
    topics: Topics
    health: Health
    stop: Event
    _seen: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.address, timeout=DEADLINE)

    def post(self, path: str, body: Any, *, key: str | None = KEY, zipped: bool = False, **headers: str) -> Reply:
        """`body`: bytes as they are, anything else as JSON. Header names take `_` for `-`."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if zipped:
            data, named["Content-Encoding"] = gzip.compress(data), "gzip"
        if key is not None:
            named["Authorization"] = basic(key)
        with closing(self.connect()) as connection:
            connection.request("POST", path, data, named)
            return reply(connection)

    def new(self, topic: str) -> list[Message]:
        found: list[Message] = []
        reader = Consumer(clients.reader(self.cluster))
        try:
            for partition in range(PARTITIONS):
                reader.assign([TopicPartition(topic, partition, self._seen.get((topic, partition), 0))])
                for message in to_the_end(reader):
                    found.append(message)
                    self._seen[topic, partition] = (message.offset() or 0) + 1
        finally:
            reader.close()
        return found

    def ready(self) -> bool:
        return self.health.readiness().ok


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def reply(connection: http.client.HTTPConnection) -> Reply:
    answer = connection.getresponse()
    text = answer.read()
    return Reply(answer.status, dict(answer.headers), json.loads(text) if text else None)


def named(message: Message) -> dict[str, str]:
    """The headers of a message as text."""
    pairs = cast("list[tuple[str, bytes]]", message.headers() or [])
    return {name: content.decode() for name, content in pairs}


def body(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.value() or b"")
    return found


def topology(name: str, **gateway: Any) -> Topology:
    return Topology.model_validate(
        {
            "name": name,
            "topics": {"prefix": f"{name}.", "partitions": PARTITIONS},
            "gateway": gateway,
            "sources": {
                "web": {"write_keys": [KEY, "web-key-2"]},
                "app": {"write_keys": ["app-key-1"]},
                "gone": {"write_keys": ["gone-key-1"], "enabled": False},
            },
        }
    )


def make_topics(topics: Topics, cluster: Cluster, embedded: EmbeddedBroker | None) -> None:
    names = (topics.raw, topics.invalid)
    if embedded is not None:
        embedded.create_topics(dict.fromkeys(names, PARTITIONS))
        with suppress(RouterError):  # another test has made it
            embedded.create_topics({REGISTRY.name: 1})
    else:
        Admin(cluster).create([TopicSpec(name, PARTITIONS) for name in names])


@contextmanager
def running(
    name: str,
    broker: EmbeddedBroker | str,
    *,
    limited: bool = False,
    wait: bool = True,
    topics: bool = True,
    reload: Reload[Any] | None = None,
    **gateway: Any,
) -> Iterator[Running]:
    """A gateway for the length of the block; `gateway` are settings of its section in the topology.

    `limited`: it knows that the broker is the embedded one, and watches its room. `wait`: until it is ready. `topics`:
    make them first. With a `reload` it runs that topology and follows its files.
    """
    config = reload.active.topology if reload is not None else topology(name, **gateway)
    embedded = broker if isinstance(broker, EmbeddedBroker) else None
    cluster = Cluster(broker) if isinstance(broker, str) else broker.cluster
    names = topics_of(config)
    if topics:
        make_topics(names, cluster, embedded)
    options = RunOptions(bootstrap=cluster.bootstrap, embedded=limited, gateway=("127.0.0.1", 0))
    loaded = Loaded(config, (), (), {}, {})
    health, stop = Health(), Event()
    addresses: list[Address] = []
    faults: list[Exception] = []

    def run() -> None:
        try:
            asyncio.run(serve(loaded, options, stop, health, addresses.append, reload))
        except Exception as error:  # noqa: BLE001 (told to the test, whose thread it is not)
            faults.append(error)

    thread = Thread(target=run)
    thread.start()
    try:
        eventually(lambda: bool(faults or addresses), "a gateway that listens")
        eventually(lambda: bool(faults) or not wait or health.readiness().ok, "a gateway that is ready")
        assert faults == []
        yield Running(addresses[0], cluster, names, health, stop)
    finally:
        stop.set()
        thread.join(DEADLINE)
        if reload is not None:
            reload.stop()
    assert not thread.is_alive()
    assert faults == []
