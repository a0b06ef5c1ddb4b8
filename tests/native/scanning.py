"""A scanner of one kind of event, asked about events; and values to ask it about."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import orjson

from router.native.scanner import EventScanner, ScanLimits, Scanned

AT = 1_767_225_600_000


def opened() -> EventScanner:
    scanner = EventScanner.open(ScanLimits(10_000, 32, 100))
    assert scanner is not None
    return scanner


def scanned(scanner: EventScanner, bodies: Iterable[dict[str, Any]]) -> Scanned:
    """The answers about events of the scanner's first source."""
    values = list(map(orjson.dumps, bodies))
    found = scanner.scan(
        np.frombuffer(bytearray().join(values), dtype=np.uint8),
        np.cumsum(list(map(len, values)), dtype=np.uint32),
        np.full(len(values), AT, dtype=np.int64),
        bytes(len(values)),
    )
    assert found is not None
    return found


def value(chance: random.Random, names: Sequence[str], leaves: Sequence[Any], level: int = 1) -> Any:
    """An object with some of the names, a list, or one of the leaves."""
    way = chance.random() if level < 3 else 1.0
    if way < 0.3:
        return {name: value(chance, names, leaves, level + 1) for name in chance.sample(names, chance.randint(0, 4))}
    if way < 0.5:
        return [value(chance, names, leaves, level + 1) for _ in range(chance.randint(0, 4))]
    return chance.choice(leaves)
