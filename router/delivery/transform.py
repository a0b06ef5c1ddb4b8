"""Gives events to a destination's own function, and what it makes of them to the connector.

An event that becomes several is delivered when all of them are; it fares as the first that is not, and is tried again
whole: the partner may see the others twice, each with the same idempotency key. None counts as filtered, with the
reason `transform`; an event on which the function fails or takes too long becomes a dead letter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import replace
from hashlib import blake2b

from router import metrics
from router.destinations.base import Connector, Delivery, Kind, Outcome
from router.events.event import CALL_TYPES, Body
from router.events.parser import encode
from router.transform.process import FunctionProcess, FunctionResult, completed

_TAKEN = (Kind.DELIVERED, Kind.UNCONFIRMED)
_DROPPED = Outcome(Kind.FILTERED, "transform")
_NO_EVENT = Outcome(Kind.REJECTED, "TRANSFORM_FAILED", "it gave something that is no event")


async def send(connector: Connector, batch: Sequence[Delivery]) -> Sequence[Outcome]:
    """One attempt at a batch, as `Connector.send`, with the destination's function before it where there is one."""
    function = connector.function
    if function is None:
        return await connector.send(batch)
    made = await asyncio.to_thread(transformed, function, connector.name, batch)
    outcomes = [one if isinstance(one, Outcome) else _DROPPED for one in made]
    lists = [one if isinstance(one, list) else [] for one in made]
    for turn in range(max(map(len, lists), default=0)):
        # One event's events go out one after the other: a request holds at most one of each profile's where that counts
        due = [n for n, one in enumerate(lists) if turn < len(one) and (turn == 0 or _goes_on(outcomes[n]))]
        sent = await _in_groups(connector, [lists[n][turn] for n in due])
        for n, outcome in zip(due, sent, strict=True):
            outcomes[n] = outcome if turn == 0 else _together(outcomes[n], outcome)
    return outcomes


def transformed(
    function: FunctionProcess, destination: str, batch: Sequence[Delivery]
) -> list[list[Delivery] | Outcome]:
    """For each event those that it becomes, or its outcome where there is none. Blocks while the function works."""
    results = function.run([encode(one.body) for one in batch])
    made = [_made(one, result) for one, result in zip(batch, results, strict=True)]
    for result, one in zip(results, made, strict=True):
        status = "failed" if result.ok and one is _NO_EVENT else result.status
        metrics.TRANSFORMED.labels(f"destinations.{destination}", status).inc()
    return made


def _made(delivery: Delivery, result: FunctionResult) -> list[Delivery] | Outcome:
    if result.status == "dropped":
        return _DROPPED
    if not result.ok:
        code = "TRANSFORM_TIMEOUT" if result.status == "timeout" else "TRANSFORM_FAILED"
        return Outcome(Kind.REJECTED, code, result.detail)
    bodies = completed(result.events, {"messageId": "", **delivery.body})
    if any(body.get("type") not in CALL_TYPES for body in bodies):
        return _NO_EVENT
    return [_delivery(delivery, body, number) for number, body in enumerate(bodies)]


def _delivery(delivery: Delivery, body: Body, number: int) -> Delivery:
    key, name = delivery.idempotency_key, body.get("event")
    if number:
        key = blake2b(f"{key}\0{number}".encode(), digest_size=16).hexdigest()
    event = name if body["type"] == "track" and isinstance(name, str) else ""
    return replace(delivery, value=encode(body), body=body, type=body["type"], event=event, idempotency_key=key)


async def _in_groups(connector: Connector, deliveries: Sequence[Delivery]) -> list[Outcome]:
    """What may share a request goes out together; a function may have changed what that is."""
    groups: dict[Hashable, list[int]] = {}
    for number, one in enumerate(deliveries):
        groups.setdefault(connector.batch_key(one), []).append(number)
    outcomes: dict[int, Outcome] = {}
    for numbers in groups.values():
        outcomes |= zip(numbers, await connector.send([deliveries[n] for n in numbers]), strict=True)
    return [outcomes[number] for number in range(len(deliveries))]


def _goes_on(outcome: Outcome) -> bool:
    return outcome.kind in _TAKEN or outcome.kind is Kind.FILTERED


def _together(before: Outcome, outcome: Outcome) -> Outcome:
    """Of two parts of one event: what was not taken counts, then what was delivered."""
    return before if outcome.kind is Kind.FILTERED and before.kind in _TAKEN else outcome
