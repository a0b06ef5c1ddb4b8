"""Finds the event that makes an agent raise, sets it aside in `events.invalid`, and lets its neighbours pass.

Only what an agent raises, before any transaction begins, is treated so; a RouterError (state, broker) is raised on.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence

import orjson

from router import metrics
from router.agents.chain import Batch, Chain, Lanes
from router.agents.intake import Message, Rejected
from router.errors import RouterError
from router.events.event import Event, Invalid
from router.events.records import Place

log = logging.getLogger(__name__)


class Isolated:
    """A chain whose `run` does not raise for a poison event."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain

    def run(self, messages: Sequence[Message], lanes: Lanes) -> Batch:
        """The whole batch at once; one by one when that raises, since a retry may show a passing fault."""
        try:
            return self.chain.run(messages, lanes)
        except RouterError:
            raise
        except Exception as error:  # noqa: BLE001  an agent's bug: find its event
            _say("a batch made the agents raise; trying its events one by one", error)
        batch = Batch()
        for message in messages:
            self._message(message, lanes, batch)
        return batch

    def _message(self, message: Message, lanes: Lanes, batch: Batch) -> None:
        part = Batch()
        lane = lanes[message.topic(), message.partition()]
        place = Place(message.topic(), message.partition(), message.offset())
        try:
            events = self.chain.take(message, lanes, part)
        except RouterError:
            raise
        except Exception as error:  # noqa: BLE001
            raw = message.value() or b""
            self._set_aside(Rejected(Invalid("poison", raw), lane, place, message.key(), "", "intake"), batch, error)
            return
        batch.merge(part)
        for event in events:
            self._event(event, place, batch)

    def _event(self, event: Event, place: Place, batch: Batch) -> None:
        known = len(batch.fresh)
        part = Batch(fresh=batch.fresh)
        raw = orjson.dumps(event.body)
        try:
            self.chain.ripen(event)
            self.chain.process([event], part)
        except RouterError:
            raise
        except Exception as error:  # noqa: BLE001
            for key in list(batch.fresh)[known:]:
                del batch.fresh[key]
            stage = self.chain.stage
            poison = Rejected(Invalid("poison", raw), event.lane, place, event.key, event.source, stage)
            self._set_aside(poison, batch, error)
            batch.received[event.lane] -= 1  # `take` has counted it
            return
        batch.merge(part)

    def _set_aside(self, rejected: Rejected, batch: Batch, error: Exception) -> None:
        metrics.POISON.labels(rejected.stage).inc()
        _say(f"poison event at {rejected.place} set aside, stage {rejected.stage}", error)
        batch.received[rejected.lane] += 1
        self.chain.reject([rejected], batch)


def _say(text: str, error: Exception) -> None:
    """The error's type and place; never its text, which may hold a payload."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
    log.error("%s: %s at %s", text, type(error).__name__, where)
