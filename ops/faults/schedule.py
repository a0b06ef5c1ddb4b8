"""When which fault: a plain list, written by hand or drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """A fault, so many seconds after the load has begun."""

    at: float
    fault: str


# Of the long run: how often each fault comes, relative to the others. Those in KILLS end a process by SIGKILL.
KILLS: Mapping[str, int] = {"kill-route": 8, "kill-deliver": 4, "kill-gateway": 2, "kill-broker": 3, "kill-two": 3}
OTHERS: Mapping[str, int] = {
    "freeze-route": 3,
    "add-route": 2,
    "remove-route": 2,
    "fill-disk": 1,
    "wipe-state": 2,
    "pause-broker": 2,
    "refuse-transactions": 2,
    "kill-for-good": 2,
}
OTHERS_SHARE = 0.25
SHORTEST, MEAN = 3.0, 9.0  # seconds between two faults, exponentially distributed: some meet a recovery still under way


def drawn(kills: int, seed: int, *, leave_out: Sequence[str] = ()) -> list[Step]:
    """A schedule with so many kills, and other faults in between."""
    chance = random.Random(seed)
    others = {fault: weight for fault, weight in OTHERS.items() if fault not in leave_out}
    steps: list[Step] = []
    at, left = SHORTEST, kills
    while left:
        kinds = others if chance.random() < OTHERS_SHARE else KILLS
        fault = chance.choices(list(kinds), list(kinds.values()))[0]
        steps.append(Step(at, fault))
        left -= fault in KILLS
        at += max(SHORTEST, chance.expovariate(1 / MEAN))
    return steps
