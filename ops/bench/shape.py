"""What shaping costs: microseconds an event for filters, privacy, a function and a map, in the real agents.

Each row of the agents is the whole pipeline over state in memory; beside it stands what it takes more than the pipeline
of a topology that shapes nothing, run by turns with it.

Run: python -m ops.bench.shape [--events N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson
import yaml

from ops.bench.fql import EVENT, QUERIES
from router.agents.agent import Agent, Setup
from router.agents.bots import Bots
from router.agents.consent import Consent
from router.agents.filter import FilterEvents
from router.agents.pipeline import AGENTS, Pipeline
from router.agents.privacy import Privacy
from router.agents.source_rules import SourceRules
from router.agents.transform import Transform
from router.config.loader import load_topology
from router.config.topics import topics_of
from router.dedupe.window_memory import MemoryWindow
from router.delivery.manager import connector_of
from router.destinations.base import Delivery
from router.destinations.http import HttpDestination
from router.destinations.registry import destination_types
from router.events.message_batch import LOG_APPEND_TIME
from router.identity import IdentityRules, MemoryIdentityStore, Replica

ROUNDS = 5
SHAPING: tuple[type[Agent], ...] = (Transform, SourceRules, Bots, Consent, FilterEvents, Privacy)
NOW = 1_767_225_600_000  # milliseconds since 1970
CLASSES = {
    "email": {"color": "yellow", "names": ["*email*"], "values": "email"},
    "phone": {"color": "yellow", "names": ["*phone*"], "values": "phone"},
    "card": {"color": "red", "values": "card"},
    "ip": {"color": "yellow", "values": "ip"},
    "iban": {"color": "red", "values": "iban"},
}
MAP = {
    "attributes.tier": {"value": "gold"},
    "attributes.label": {"template": "{event} by {userId}"},
    "attributes.total": {"first": ["properties.total", "properties.revenue"]},
    "attributes.at": {"path": "timestamp", "as": "unix_seconds"},
}
FUNCTION = "def event(event):\n    event['seen'] = True\n    return event\n"


class Bench:
    """One topology with a webhook, and the events that go through it."""

    def __init__(self, folder: Path, events: int, source: dict[str, Any], crm: dict[str, Any], **also: Any) -> None:
        webhook = {"type": "webhook", "settings": {"url": "https://example.com"}, **crm}
        config = {
            "name": "bench",
            "default_source": "web",
            "sources": {"web": source},
            "destinations": {"crm": webhook},
        }
        path = folder / "bench.yaml"
        path.write_text(yaml.safe_dump({**config, **also}))
        self.loaded = load_topology([path], env={}, registry=destination_types())
        topics = topics_of(self.loaded.topology)
        replica = Replica(MemoryIdentityStore(), IdentityRules.of(self.loaded.topology.identity))

        def append(record: bytes) -> None:
            replica.apply_record(replica.position(), NOW, record)

        self._setup = Setup(self.loaded, "bench", MemoryWindow(topics.window_ms), replica, append)
        self._pipeline = Pipeline.build(self._setup)
        self._without = Pipeline.build(self._setup, [agent for agent in AGENTS if agent not in SHAPING])
        self._lanes = {(topics.raw, 0): 0}
        bodies = [orjson.dumps(EVENT | {"messageId": f"m-{number}"}) for number in range(events)]
        self._messages = [_Message(topics.raw, number, body) for number, body in enumerate(bodies)]

    def run(self) -> None:
        self._pipeline.run(self._messages, self._lanes)

    def run_without(self) -> None:
        """Run the pipeline without the agents that shape."""
        self._without.run(self._messages, self._lanes)


class _Message:
    """What `router.agents.decode.Message` asks for."""

    def __init__(self, topic: str, offset: int, body: bytes) -> None:
        self._topic, self._offset, self._body = topic, offset, body

    def value(self) -> bytes:
        return self._body

    def key(self) -> bytes:
        return b"u-1"

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return LOG_APPEND_TIME, NOW

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset


def rows(events: int) -> list[tuple[str, float, float]]:
    """Name, microseconds an event, and how many of these the same takes less without it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench_own.py").write_text(FUNCTION)
        plain = Bench(folder, events, {}, {})
        privacy = {"classes": CLASSES, "destinations": {"crm": {"email": "hash", "phone": "mask", "card": "drop"}}}
        shaped = {f"{count} filters": Bench(folder, events, {}, {"filters": filters(count)}) for count in (1, 10, 100)}
        shaped["privacy over five classes"] = Bench(folder, events, {}, {}, privacy=privacy)
        shaped["a function of a source"] = Bench(folder, events, {"transform": "bench_own:event"}, {})
        before, after = by_turns(plain.run_without, plain.run)
        found = [("the agents that shape, with nothing to do", after / events, (after - before) / events)]
        for title, bench in shaped.items():
            before, after = by_turns(plain.run, bench.run)
            found.append((title, after / events, (after - before) / events))
        mapped = Bench(folder, events, {}, {"map": {"track": MAP}})
        before, after = by_turns(_mapping(plain, events), _mapping(mapped, events))
        return [*found, ("a map of four targets, in the connector", after / events, (after - before) / events)]


def filters(count: int) -> list[dict[str, Any]]:
    """None of them holds, so that every one is asked."""
    return [{"if": query, "then": "drop"} for query in islice(cycle(QUERIES.values()), count)]


def _mapping(bench: Bench, events: int) -> Callable[[], None]:
    connector = connector_of(bench.loaded, "crm")
    assert isinstance(connector, HttpDestination)
    body = EVENT | {"timestamp": "2026-01-01T00:00:00.000Z"}
    delivery = Delivery(orjson.dumps(body), "p", "web", "track", str(body["event"]), "0" * 32, body)

    def run() -> None:
        for _ in range(events):
            connector.mapped([delivery])

    return run


def by_turns(one: Callable[[], None], other: Callable[[], None]) -> tuple[float, float]:
    """Microseconds that each takes, the best of several turns: what else the machine does only ever adds."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS + 1):  # the first one warms up
        for number, work in enumerate((one, other)):
            began = time.perf_counter()
            work()
            best[number] = min(best[number], (time.perf_counter() - began) * 1e6)
    return best[0], best[1]


def main() -> None:
    parser = argparse.ArgumentParser(description="What shaping costs, in microseconds an event.")
    parser.add_argument("--events", type=int, default=5_000)
    for title, taken, more in rows(parser.parse_args().events):
        print(f"{title:<42} {taken:9.2f} us an event, {more:8.2f} more than without")


if __name__ == "__main__":
    main()
