"""Scanned events that break their plan: the verdict on each, decided once for all that break it in the same ways.

The scanner gives a digest of how an event breaks its plan; what that means says the plan (`Enforcement.passed`), asked
with the first event of each digest. Where it depends on whether a text is of a format, the plan's engine is asked that.
What the plan blocks takes the long way, and so does an event that loses something to `omit` where an agent looks into
it, or where it may be known by what it loses. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np

from router.agents.events import Alike, Events
from router.agents.scan_kinds import ScanKind
from router.events.message_batch import Array
from router.native.omit import omit, packed
from router.native.scanner import ASKS_FORMAT, BREAKS, IDENTIFIERS, NOT_TAKEN, Scanned
from router.native.tables import FORMATS
from router.plan.keywords import DRAFT7

REMEMBERED = 10_000
_Way = Hashable  # a digest, with answers about formats where there were questions


class _Judged(NamedTuple):
    """What events have in common that break their plan in the same ways, None where they take the long way; and what
    to omit of them, packed for the library.
    """

    alike: Alike | None
    omission: bytes = b""


class ScanVerdicts:
    """Those of one pipeline. `omits` once something was omitted: the output then needs room for events twice."""

    def __init__(self) -> None:
        self.omits = False
        self._known: dict[tuple[ScanKind, _Way], _Judged] = {}

    def judge(self, kinds: list[ScanKind], found: Scanned, events: Events) -> None:
        """Give the events that break their plan a verdict; those that take the long way are not taken any more."""
        rows = np.flatnonzero((found.kinds != NOT_TAKEN) & (found.rows["more"] & np.uint32(BREAKS | ASKS_FORMAT) != 0))
        ways = self._ways(rows, found)
        rows = rows[[way is not None for way in ways]]
        if not len(rows):
            return
        omissions = [b""] * len(events.kinds)
        places: dict[tuple[int, _Way], int] = {}  # of what they have in common, in `events.kinds`
        of_rows = []
        keys = zip(found.kinds[rows].tolist(), filter(None, ways), strict=True)
        for row, key in zip(rows.tolist(), keys, strict=True):
            if key not in places:
                alike, omission = self._judged(kinds[key[0]], key[1], found, row)
                places[key] = len(events.kinds) if alike else NOT_TAKEN
                if alike:
                    events.kinds.append(alike)
                    omissions.append(omission)
            of_rows.append(places[key])
        numbers = np.array(of_rows, dtype=np.int64)
        found.kinds[rows[numbers == NOT_TAKEN]] = NOT_TAKEN
        events.of_kind[rows] = numbers.clip(0)
        if any(omissions):
            self._omit(rows[numbers != NOT_TAKEN], found, events, omissions)

    def _ways(self, rows: Array, found: Scanned) -> list[_Way | None]:
        """In which ways these events break their plan; None of those that keep it after all."""
        ways: list[_Way | None] = list(found.breaches["digest"][rows].tolist())
        more = found.rows["more"][rows]
        asking = np.flatnonzero(more & np.uint32(ASKS_FORMAT))
        breaking = (more[asking] & np.uint32(BREAKS) != 0).tolist()
        for at, asked, breaks in zip(asking.tolist(), found.asked(rows[asking]), breaking, strict=True):
            are_right = [_is_of(number)(text) for number, text in asked]
            ways[at] = (ways[at], *are_right) if breaks or not all(are_right) else None
        return ways

    def _judged(self, kind: ScanKind, way: _Way, found: Scanned, row: int) -> _Judged:
        judged = self._known.get((kind, way))
        if judged is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            section, context, _ = found.sections(row)
            judged = self._known[kind, way] = _decided(kind, section, context)
        return judged

    def _omit(self, rows: Array, found: Scanned, events: Events, omissions: list[bytes]) -> None:
        """Take out of events what their plan omits; what there is no room for takes the long way, this time."""
        rows = rows[np.array(list(map(bool, omissions)))[events.of_kind[rows]]]
        known_by = found.rows["more"][rows] & np.uint32(IDENTIFIERS) != 0
        found.kinds[rows[known_by]] = NOT_TAKEN
        rows = rows[~known_by]
        done, events.used = omit(
            found.output, found.used, events.starts, events.sizes, rows, events.of_kind[rows], omissions
        )
        found.kinds[rows[done:]] = NOT_TAKEN
        self.omits = True


@cache
def _is_of(number: int) -> Callable[[str], bool]:
    """Whether a text is of a format, by the format's number in the scanner's tables."""
    is_valid: Callable[[str], bool] = DRAFT7.validator(
        {"type": "string", "format": list(FORMATS)[number - 1]}, validate_formats=True
    ).is_valid
    return is_valid


def _decided(kind: ScanKind, section: bytes, context: bytes) -> _Judged:
    passed = kind.plan.verdict(kind.parsed(section, context))
    if passed is None or (passed[1] and kind.looks):
        return _Judged(None)
    verdict, paths = passed
    return _Judged(replace(kind.alike, verdict=verdict), packed(paths))
