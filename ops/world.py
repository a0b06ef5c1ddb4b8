"""A small topology on a real Kafka, with its receiver and its load: what chaos and acceptance runs use.

Three destinations get everything, the orders in order of profile, and the products viewed; a fourth gets replays only.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ops.background import Background
from ops.checker import Account, Destination, check
from ops.load import Item, Ledger, Load, send, write_plan
from ops.running import RECEIVER, Process
from router.config.loader import Loaded, load_topology
from router.config.topics import topics_of, wanted_topics
from router.destinations.registry import destination_types
from router.errors import RouterError
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.receiver import read_log

WRITE_KEY = "load-key"
REPLAYED = "again"
"""The destination without live events: what comes there is sent by replays."""
MOST_EVENTS = 400_000
TOPOLOGY = """\
name: {name}
guarantee: {guarantee}
default_source: load
topics: {{prefix: {name}., partitions: {partitions}, destination_partitions: 4}}
sources:
  load: {{write_keys: [{write_key}], plan: ./plan, enforce: {{violation: block, unplanned_event: block}}}}
defaults:
  destination:
    type: webhook
    delivery: {{batch: {{count: 100, age: 50ms}}, concurrency: 4, retry: {{first: 100ms, longest: 1s}}}}
destinations:
  all: {{settings: {{url: "{url}/all", allow_private: true}}}}
  orders:
    types: [track]
    events: [Order Completed]
    settings: {{url: "{url}/orders", allow_private: true}}
    delivery: {{order: profile}}
  views:
    types: [track]
    except: [Order Completed]
    settings: {{url: "{url}/views", allow_private: true}}
  again: {{enabled: false, settings: {{url: "{url}/again", allow_private: true}}}}
"""
TAKES: Mapping[str, Callable[[Item], bool]] = {
    "all": lambda item: True,
    "orders": lambda item: item.event == "Order Completed",
    "views": lambda item: item.event == "Product Viewed",
}


class World:
    """`folder` holds topology, plan, state, receipts and logs. `name` prefixes topics and groups.

    `seed` is that of the last load, for whoever has to make it again. The partner fails a share of `failing` requests.
    """

    def __init__(
        self, folder: Path, name: str, bootstrap: str, *, guarantee: str = "exactly_once", partitions: int = 6,
        failing: float = 0.0,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.cluster = Cluster(bootstrap)
        self.receipts = folder / "receipts.ndjson"
        self.ledger = Ledger()
        self.seed = 0
        self._processes: list[Process] = []
        fails = ["--fail", f"500,share={failing}"] if failing else []
        address = self.start(*RECEIVER, "--receipts", str(self.receipts), *fails).said("http://")
        write_plan(folder / "plan")
        self.file = folder / "topology.yaml"
        text = TOPOLOGY.format(
            name=name, url=f"http://{address}", guarantee=guarantee, partitions=partitions, write_key=WRITE_KEY
        )
        self.file.write_text(text)
        self.loaded: Loaded = load_topology([self.file], env={}, registry=destination_types())
        self.topics = topics_of(self.loaded.topology)

    def start(self, *arguments: str) -> Process:
        """A module as a child that ends with this world."""
        process = Process(arguments, self.folder / f"{arguments[0]}-{len(self._processes)}.log")
        self._processes.append(process)
        return process

    def router(self, command: str, *options: str) -> Process:
        """`router up`, `gateway`, `route` or `deliver` on this topology; metrics at any port unless `options` say."""
        own = ["--bootstrap", self.cluster.bootstrap]
        if command != "gateway":
            own += ["--state", str(self.folder / "state")]
        return self.start("router", command, str(self.file), *own, *options)

    def make_topics(self) -> None:
        """Raises RouterError when they are not as the topology needs them."""
        admin = Admin(self.cluster)
        specs = wanted_topics(self.loaded.topology)
        admin.create(specs)
        if problems := admin.differences(specs):
            raise RouterError("; ".join(map(str, problems)))

    def check(self, *, delivered: bool = True, replayed: tuple[int, int] | None = None) -> Account:
        """Every topic, and what the receiver wrote down, against the ledger. Let the router come to rest first.

        `replayed` is the range of time, in ms since 1970 and without its end, of which all was replayed.
        """
        got: defaultdict[str, list[str]] = defaultdict(list)
        for line in read_log(self.receipts):
            got[line["path"].removeprefix("/")].append(str(line["messageId"]))
        wanted = [Destination(name, takes, got[name] if delivered else None) for name, takes in TAKES.items()]
        if replayed:
            wanted.append(Destination(REPLAYED, receipts=got[REPLAYED], replayed=replayed))
        return check(self.ledger, self.cluster, self.topics, wanted)

    @contextmanager
    def sending(self, rate: float, most: int = MOST_EVENTS) -> Iterator[Background]:
        """A load at this rate, straight to Kafka, for as long as the block lasts."""
        load = Load(self.topics.name, most, seed=random.randrange(1 << 30))
        self.seed = load.seed
        background = Background(
            [lambda stop: send(self.cluster, self.topics.raw, load, self.ledger, rate=rate, stop=stop)]
        )
        background.start()
        try:
            yield background
        finally:
            background.stop()

    def close(self) -> None:
        for process in reversed(self._processes):
            process.close()
