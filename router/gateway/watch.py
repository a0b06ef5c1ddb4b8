"""Whether Kafka accepts events now: checked in a thread, every few seconds and after each failed delivery.

While it does not, requests are answered 503 at once instead of each waiting for a timeout; so until the first check,
which also makes sure that the topics are this topology's own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

from router.errors import RouterError, Unavailable

CHECK = "kafka"
_UP_SECONDS = 5.0
_DOWN_SECONDS = 0.5
_ANSWER_SECONDS = 2.0

log = logging.getLogger(__name__)


class HealthSink(Protocol):
    """The part of a process's health that the gateway sets."""

    def ready(self, name: str, ok: bool, why: str = "") -> None: ...

    def progress(self, name: str, deadline_s: float) -> None: ...

    def idle(self, name: str, why: str) -> None: ...


class BrokerWatch:
    """`up` is true while the broker answers and has the topics; `asked` once its first answer, or none, has come.

    `claim` is called once the topics are there, before `up` is true for the first time. What it raises, but for
    Unavailable, is kept in `refusal` and ends the watch.
    """

    def __init__(
        self, client: Producer, topics: Iterable[str], health: HealthSink, claim: Callable[[], object] = lambda: None
    ) -> None:
        self._client = client
        self._topics = tuple(topics)
        self._health = health
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="broker-watch", daemon=True)
        self._claim = claim
        self._claimed = False
        self.refusal: RouterError | None = None
        self.up = False
        self.asked = False

    def start(self) -> None:
        self._health.ready(CHECK, False, "no answer yet")
        self._thread.start()

    def doubt(self) -> None:
        """A delivery failed: check again now."""
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping and self.refusal is None:
            why = self._problem()
            if self.up == bool(why):
                log.log(logging.WARNING if why else logging.INFO, "Kafka: %s", why or "answers")
            self.up = not why
            self.asked = True
            self._health.ready(CHECK, self.up, why)
            self._wake.wait(_UP_SECONDS if self.up else _DOWN_SECONDS)
            self._wake.clear()

    def _problem(self) -> str:
        """Lists all topics, since asking for a missing one could create it."""
        try:
            found = self._client.list_topics(timeout=_ANSWER_SECONDS).topics
        except KafkaException as error:
            cause = error.args[0] if error.args else error
            return f"no answer ({cause.name() if isinstance(cause, KafkaError) else cause})"
        missing = [name for name in self._topics if name not in found or found[name].error is not None]
        if missing:
            return f"topics are missing: {', '.join(missing)}; see router topics apply"
        return self._claiming()

    def _claiming(self) -> str:
        if self._claimed:
            return ""
        try:
            self._claim()
        except RouterError as error:
            if not isinstance(error, Unavailable):
                self.refusal = error
            return str(error)
        self._claimed = True
        return ""
