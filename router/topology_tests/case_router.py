"""The router of one test case: the pipeline over state in memory."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import orjson

from router.agents.agent import Setup
from router.agents.batch import Batch
from router.agents.pipeline import Pipeline
from router.config.loader import Loaded
from router.config.topics import topics_of
from router.dedupe.window_memory import MemoryWindow
from router.events.parser import JsonError, Repairs, parse
from router.events.records import Headers
from router.events.times import iso, milliseconds
from router.identity import IdentityRules, MemoryIdentityStore, Merge, Replica
from router.metrics import FILTERED
from router.topology_tests.cases import LISTS, Case
from router.topology_tests.message import GivenMessage, around, given_message

STEP_MS = 1000


class CaseRouter:
    """Fresh for each case; `outputs` runs it. `pipeline` is another class of pipelines, such as one that is watched."""

    def __init__(self, loaded: Loaded, pipeline: type[Pipeline] = Pipeline) -> None:
        topics = self._topics = topics_of(loaded.topology)
        self._window = MemoryWindow(topics.window_ms)
        self._replica = Replica(MemoryIdentityStore(), IdentityRules.of(loaded.topology.identity))
        self.pipeline = pipeline.build(Setup(loaded, "test", self._window, self._replica, self._append))
        self._now = 0
        self._lanes = {(topics.raw, 0): 0, (topics.keyed, 0): 1}
        self._number = 0
        self._duplicates = 0
        self._filtered: Counter[tuple[str, ...]] = Counter()  # destination, reason
        destinations = {name: topics.destination(name) for name in loaded.topology.destinations}
        self._names = {topic: f"dest.{name}" for name, topic in destinations.items()}
        self._names |= {getattr(topics, name): name for name in ("resolved", "blocked", "invalid", "violations")}
        self._lists: dict[str, list[Any]] = {name: [] for name in (*self._names.values(), *LISTS)}

    def outputs(self, case: Case) -> dict[str, Any]:
        """What came out, by the names that `expect` may use."""
        self._now = (milliseconds(case.now) or 0) - STEP_MS
        for item in case.given:
            self._now = (milliseconds(item["at"]) or 0) if "at" in item else self._now + STEP_MS
            self.take(item, self._now)
        self._lists["merges"] = [_merge(merge) for _, merge in self._replica.store.merges_from(0, sys.maxsize)]
        self._lists["filtered"] = [
            {"destination": destination, "reason": reason, "count": count}
            for (destination, reason), count in sorted(self._filtered.items())
        ]
        short = {name.removeprefix("dest."): found for name, found in self._lists.items()}
        return short | self._lists | {"duplicates": self._duplicates}

    def take(self, item: Mapping[str, Any], received: int) -> None:
        """Run a given item, received at that time (milliseconds since 1970)."""
        self._take(given_message(item, self._topics, self._next(), received))

    def _append(self, record: bytes) -> None:
        """Facts about identity, to the log and back."""
        self._replica.apply_record(self._replica.position(), self._now, record)

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _take(self, message: GivenMessage) -> None:
        """Run a message, and what the agents send round again because of it."""
        waiting = deque([message])
        while waiting:
            batch = self.pipeline.run([waiting.popleft()], self._lanes)
            self._window.write(batch.rows(), {})
            self._count(batch)
            for topic, value, _, headers in batch.outputs():
                if topic == self._topics.keyed:
                    waiting.append(around(value, headers or [], self._topics, self._next()))
                else:
                    self._keep(self._names[topic], value, headers or [])

    def _count(self, batch: Batch) -> None:
        self._duplicates += batch.ended["duplicate"].total()
        self._filtered.update({labels: n for (metric, labels), n in batch.counts.items() if metric is FILTERED})

    def _keep(self, name: str, value: bytes, headers: Headers) -> None:
        said = {key: _text(header) for key, header in headers}
        if name == "invalid":
            item = _object(value) | {"raw": _text(value), "reason": said["error-code"], "stage": said["error-stage"]}
        else:
            item = parse(value, Repairs())
        if name in ("blocked", "invalid"):
            item |= {"source": said.get("source")}
        if name == "blocked":
            item |= {"violations": orjson.loads(said["violations"])}
        times = item.pop("count") if name == "violations" else 1  # a case sees each violation
        self._lists[name] += [item] * times


def _merge(merge: Merge) -> dict[str, Any]:
    value = merge.as_dict()
    return value | {"time": iso(value.pop("time_ms"))}


def _text(value: str | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""


def _object(value: bytes) -> dict[str, Any]:
    """The fields of what is no event, where it is an object at least."""
    try:
        found = parse(value, Repairs())
    except JsonError:
        return {}
    return found if isinstance(found, dict) else {}
