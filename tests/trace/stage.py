"""A whole topology on a broker: what is received is routed and delivered, in threads of this process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from router.config.topics import wanted_topics
from router.embedded.broker import EmbeddedBroker
from router.process.health import Health
from router.worker.build import run_route
from tests.delivery.stage import DEADLINE, Stage


class TraceStage(Stage):
    """All topics are there, with their settings."""

    def _make_topics(self, broker: EmbeddedBroker | str) -> None:
        specs = wanted_topics(self.loaded.topology)
        if isinstance(broker, EmbeddedBroker):
            broker.create_topics({spec.name: spec.partitions for spec in specs})
            return
        admin = AdminClient({"bootstrap.servers": broker})
        new = [NewTopic(spec.name, spec.partitions, 1, config=dict(spec.config)) for spec in specs]
        for done in admin.create_topics(new).values():
            done.result(DEADLINE)

    def receive(self, *events: Mapping[str, Any]) -> None:
        """Events as a producer writes them: keyed by anonymous id, else user id; acknowledged."""
        for event in events:
            key = str(event.get("anonymousId") or event["userId"]).encode()
            self.produce(self.topics.raw, orjson.dumps(event), key, None)
        self.flush()

    @contextlib.contextmanager
    def routing(self) -> Iterator[None]:
        """A route worker until the end; a failure of it is raised."""
        stop, failures = threading.Event(), []

        def run() -> None:
            try:
                run_route(self.loaded, self.options, stop, Health())
            except BaseException as error:  # noqa: BLE001  raised below
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(DEADLINE)
            if failures:
                raise failures[0]
        assert not thread.is_alive()
