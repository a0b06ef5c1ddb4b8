"""Finds the event that makes an agent raise, sets it aside in `events.invalid`, and lets its neighbours pass.

Only what an agent raises, before any transaction begins, is treated so; a RouterError (state, broker) is raised on.
"""

from __future__ import annotations

import logging
import traceback
from collections import ChainMap
from collections.abc import Sequence

from router import metrics
from router.agents.agent import Rejected
from router.agents.batch import Batch, Fresh, Lanes, Pending
from router.agents.decode import Message
from router.agents.events import Events
from router.agents.pipeline import Pipeline
from router.errors import RouterError
from router.events.event import Event, Invalid
from router.events.parser import encode
from router.events.records import Place

log = logging.getLogger(__name__)


class Isolated:
    """A pipeline whose `run` does not raise for a poison event."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def run(self, messages: Sequence[Message], lanes: Lanes, pending: Fresh | None = None) -> Batch:
        """The whole batch at once; one by one when that raises, since a retry may show a passing fault.

        `pending` holds the keys of the batch that is being committed: the store does not know them yet.
        """
        pending = pending or {}
        try:
            return self.pipeline.run(messages, lanes, pending)
        except RouterError:
            raise
        except Exception as error:  # noqa: BLE001  an agent's bug: find its event
            _say("a batch made the agents raise; trying its events one by one", error)
        batch = Batch(list(lanes))
        known: Pending = ChainMap(batch.fresh, pending)
        for message in messages:
            self._message(message, lanes[message.topic(), message.partition()], batch, known)
        return batch

    def _message(self, message: Message, lane: int, batch: Batch, pending: Pending) -> None:
        pipeline, part = self.pipeline, Batch(batch.places)
        place = Place(message.topic(), message.partition(), message.offset())
        pipeline.at_work = pipeline.decode.name
        try:
            events = pipeline.expanded(pipeline.decode.take(message, lane, part), part)
        except RouterError:
            raise
        except Exception as error:  # noqa: BLE001
            raw = message.value() or b""
            self._set_aside(Rejected(Invalid("poison", raw), lane, place, message.key(), ""), batch, error)
            return
        batch.merge(part)
        for event in events:
            self._event(event, place, batch, pending)

    def _event(self, event: Event, place: Place, batch: Batch, pending: Pending) -> None:
        part = Batch(batch.places, pending)
        raw = encode(event.body)
        try:
            self.pipeline.prepare(event)
            self.pipeline.process(Events.of([event]), part)
        except RouterError:
            raise
        except Exception as error:  # noqa: BLE001
            poison = Rejected(
                Invalid("poison", raw), event.lane, place, event.key, event.source, received=event.received
            )
            self._set_aside(poison, batch, error)
            return
        batch.merge(part)

    def _set_aside(self, poison: Rejected, batch: Batch, error: Exception) -> None:
        stage = self.pipeline.at_work
        metrics.POISON.labels(stage).inc()
        _say(f"poison event at {poison.place} set aside, stage {stage}", error)
        self.pipeline.decode.reject([poison._replace(stage=stage)], batch)


def _say(text: str, error: Exception) -> None:
    """The error's type and place; never its text, which may hold a payload."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
    log.error("%s: %s at %s", text, type(error).__name__, where)
