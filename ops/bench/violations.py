"""What violations cost: processor time of the agents for events that keep their plan, and with four violations each.

The whole pipeline over state in memory, on the events of `load`, by turns, and not counting its first two batches, with
which it learns kinds of events and verdicts; without Kafka, whose part is the records that a batch of violations leads
to: their number stands beside. All allowed, and once all omitted.

Run: python -m ops.bench.violations [--events N] [--batch N]; ROUTER_NATIVE=0 leaves the native scanner out.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ops.bench.load import FOUR, changed, events
from router.agents.agent import Setup
from router.agents.pipeline import Pipeline
from router.config.loader import load_topology
from router.config.topics import topics_of
from router.dedupe.window_memory import MemoryWindow
from router.destinations.registry import destination_types
from router.events.message_batch import LOG_APPEND_TIME
from router.identity import IdentityRules, MemoryIdentityStore, Replica
from router.worker.build import calm_collector

PLAN = Path(__file__).parent / "plan"
NOW = 1_767_225_600_000  # milliseconds since 1970
ROUNDS = 5
LEARNING = 2  # batches


class GivenEvent(NamedTuple):
    """What `router.agents.decode.Message` asks for."""

    of_topic: str
    at: int
    device: bytes
    body: bytes

    def value(self) -> bytes:
        return self.body

    def key(self) -> bytes:
        return self.device

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return LOG_APPEND_TIME, NOW

    def topic(self) -> str:
        return self.of_topic

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at


class Row:
    """One kind of event through the agents of a topology; `best` is the least processor time an event, in µs."""

    def __init__(
        self, folder: Path, title: str, enforce: dict[str, str], properties: dict[str, Any], given: int
    ) -> None:
        self.title, self.best, self.records = title, float("inf"), 0.0
        path = folder / "bench.yaml"
        source = {"plan": str(PLAN), "enforce": enforce}
        webhook = {"type": "webhook", "settings": {"url": "https://example.com"}}
        path.write_text(
            yaml.safe_dump(
                {"name": "bench", "default_source": "web", "sources": {"web": source},
                 "destinations": dict.fromkeys(("one", "two", "three"), webhook)}
            )
        )  # fmt: skip
        self._loaded = load_topology([path], env={}, registry=destination_types())
        topics = self._topics = topics_of(self._loaded.topology)
        self._messages = [
            GivenEvent(topics.raw, number, key, changed(value, properties))
            for number, (key, value) in enumerate(events(given))
        ]

    def turn(self, batch: int) -> None:
        """Once through all events, over new state; the first batches are not counted."""
        replica = Replica(MemoryIdentityStore(), IdentityRules.of(self._loaded.topology.identity))

        def append(record: bytes) -> None:
            replica.apply_record(replica.position(), NOW, record)

        window = MemoryWindow(self._topics.window_ms)
        pipeline = Pipeline.build(Setup(self._loaded, "bench", window, replica, append))
        gc.collect()
        spent, records, counted = 0.0, 0, 0
        for start in range(0, len(self._messages), batch):
            began = time.process_time()
            made = pipeline.run(self._messages[start : start + batch], {(self._topics.raw, 0): 0})
            if start >= LEARNING * batch:
                spent += time.process_time() - began
                records += sum(topic == self._topics.violations for topic, *_ in made.records)
                counted += len(self._messages[start : start + batch])
            window.write(made.rows(), {})
        self.best = min(self.best, spent / counted * 1e6)
        self.records = records / counted


def rows(given: int, batch: int) -> list[Row]:
    classes = ("violation", "unplanned_property")
    with tempfile.TemporaryDirectory() as name:
        made = [
            Row(Path(name), title, dict.fromkeys(classes, action), properties, given + LEARNING * batch)
            for title, action, properties in (
                ("conforming", "allow", {}), ("four violations, allowed", "allow", FOUR),
                ("four violations, omitted", "omit", FOUR),
            )
        ]  # fmt: skip
    for _ in range(ROUNDS):
        for row in made:
            row.turn(batch)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="What four violations an event cost, in microseconds of CPU an event.")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=4_000)
    arguments = parser.parse_args()
    calm_collector()
    conforming, *others = rows(arguments.events, arguments.batch)
    print(f"{conforming.title:<26} {conforming.best:7.2f} us an event")
    for row in others:
        ratio = row.best / conforming.best
        print(
            f"{row.title:<26} {row.best:7.2f} us an event, {ratio:.2f} times that; {row.records:.4f} records an event"
        )


if __name__ == "__main__":
    main()
