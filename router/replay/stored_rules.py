"""What today's topology makes of an event that was blocked or was invalid: all agents, as if it came in now.

But for two things: it keeps its receive time and messageId, and nobody asks whether it is a repeat, since it would be
one of itself. It goes to the destinations of the replay alone: it is not received, blocked or invalid once more, and no
violation is reported twice. Links between its identifiers are written to the identity log, as those of any event;
kill -9 may write them twice, which changes nothing.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from router.agents.agent import Agent, Setup
from router.agents.batch import Batch
from router.agents.dedupe import Dedupe
from router.agents.pipeline import AGENTS, Pipeline
from router.agents.transform import Transform
from router.config.loader import Loaded
from router.dedupe.window_memory import MemoryWindow
from router.events.records import Headers
from router.events.times import milliseconds
from router.events.topics import Topics
from router.identity import IdentityRules, Replica
from router.identity.log import LinkLog
from router.identity.store_rocksdb import RocksIdentityStore
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.metrics import FILTERED, STOPPED
from router.replay.replay import Replayed
from router.replay.replay_source import Candidate

CREATE_TIME = 1
_FOLLOW_SECONDS = 0.2
_OURS = frozenset({"error-code", "error-stage", "origin", "received-at", "violations", "plan", "length", "source"})


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A candidate as the pipeline reads it: on `events.keyed`, where source, place and receive time are in headers."""

    name: str
    one: Candidate
    named: Headers

    def value(self) -> bytes | None:
        return self.one.value

    def key(self) -> bytes | None:
        return self.one.key or b""

    def headers(self) -> Any:
        return self.named

    def timestamp(self) -> tuple[int, int]:
        return CREATE_TIME, self.one.time

    def topic(self) -> str:
        return self.name

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0


class StoredRules:
    """`blocked`: the events are those of events.blocked, which the source's own function has seen already."""

    def __init__(
        self, loaded: Loaded, topics: Topics, destinations: Sequence[str], identities: Replica,
        append: Callable[[bytes], None], *, blocked: bool,
    ) -> None:  # fmt: skip
        topology = loaded.topology
        own = {name: topology.destinations[name].model_copy(update={"enabled": True}) for name in destinations}
        alone = replace(loaded, topology=topology.model_copy(update={"destinations": own}))
        setup = Setup(alone, "", MemoryWindow(0), identities, append)
        left_out: set[type[Agent]] = {Dedupe, Transform} if blocked else {Dedupe}
        self._pipeline = Pipeline([agent.build(setup) for agent in AGENTS if agent not in left_out])
        self._keyed = topics.keyed
        self._names = {topics.destination(name): name for name in destinations}

    def rule(self, one: Candidate) -> Iterator[Replayed]:
        named = dict(one.headers)
        if "length" in named:
            yield from (Replayed(name, "cut") for name in self._names.values())
            return
        batch = self._pipeline.run([self._message(one)], {(self._keyed, 0): 0})
        routed: Counter[str] = Counter()
        for topic, value, key, headers in batch.outputs():
            if topic in self._names:
                routed[self._names[topic]] += 1
                yield Replayed(self._names[topic], "", bytes(value), key, headers or ())
        yield from self._refused(batch, routed)

    def _refused(self, batch: Batch, routed: Counter[str]) -> Iterator[Replayed]:
        """Why a destination does not get what is now an event, and why all get nothing of what is none."""
        resolved = sum(batch.ended["resolved"].values())
        for name in self._names.values():
            left = resolved - routed[name]
            for (metric, labels), number in batch.counts.items():
                if metric is FILTERED and labels[0] == name:
                    left -= number
                    yield from (Replayed(name, labels[1]) for _ in range(number))
                elif metric is STOPPED:
                    yield from (Replayed(name, labels[2]) for _ in range(number))
            yield from (Replayed(name, "source") for _ in range(left))

    def _message(self, one: Candidate) -> StoredMessage:
        """Its place is its own, so that two events of one message without messageIds get two."""
        named = dict(one.headers)
        at = milliseconds((one.body or {}).get("receivedAt")) if "violations" in named else None
        received = str(at).encode() if at is not None else named.get("received-at") or str(one.time).encode()
        own: Headers = [(name, raw) for name, raw in one.headers if name not in _OURS]
        headers: Headers = [("received-at", received), ("origin", one.place.encode()), *own]
        if one.source:
            headers.append(("source", one.source.encode()))
        return StoredMessage(self._keyed, one, headers)


class Identities:
    """The identity graph as of now, read from its log into a folder that is deleted at the end. A context.

    `append` adds a record of facts to the log, unless it is only to be looked at.
    """

    def __init__(self, cluster: Cluster, topics: Topics, rules: IdentityRules, *, look_only: bool) -> None:
        self._cluster = cluster
        self._topics = topics
        self._rules = rules
        self._look_only = look_only
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Returns once all that is there has been applied. Raises Unavailable."""
        stack = self._stack
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="router-replay-")))
        admin = Admin(self._cluster)
        topic_id = admin.topic_ids([self._topics.links]).get(self._topics.links, "")
        store = RocksIdentityStore.open(folder / "identity", admin.cluster_id(), topic_id)
        self.replica = Replica(store, self._rules)
        stack.callback(self.replica.close)
        producer, reader = clients.producer(self._cluster, linger_ms=0), clients.reader(self._cluster)
        links = LinkLog(self.replica, self._topics.links, producer=producer, reader=reader)
        stack.callback(links.close)
        while not links.caught_up:
            links.follow(_FOLLOW_SECONDS)
        self.append: Callable[[bytes], None] = _ignore if self._look_only else links.append
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _ignore(record: bytes) -> None:
    """A dry run writes nothing: its events are those of profiles not yet merged."""
