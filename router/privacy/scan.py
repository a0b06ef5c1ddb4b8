"""Counts the fields of personal data in events: by class and path, never a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.privacy.classes import DataClasses

MOST_FIELDS = 1_000
LONGEST_PATH = 200  # characters


@dataclass(slots=True)
class FieldCount:
    """How often a field of a class was met: values, events that have one, and the place of the first."""

    values: int
    events: int
    example: str


class PrivacyScan:
    """`fields` by class and path; `beyond` counts values of further paths, once MOST_FIELDS are known.

    Memory stays bounded, however many different keys events have.
    """

    def __init__(self, classes: DataClasses) -> None:
        self._classes = classes
        self.fields: dict[tuple[str, str], FieldCount] = {}
        self.events = 0
        self.personal = 0
        self.beyond = 0

    def add(self, body: Mapping[str, Any], place: str) -> None:
        """Look through an event; `place` says where it stands."""
        self.events += 1
        here: set[tuple[str, str]] = set()
        for found in self._classes.scan(body):
            path = found.path if len(found.path) <= LONGEST_PATH else found.path[:LONGEST_PATH] + "…"
            self._count((found.name, path), place, here)
        self.personal += bool(here)

    def _count(self, field: tuple[str, str], place: str, here: set[tuple[str, str]]) -> None:
        known = self.fields.get(field)
        if known is None and len(self.fields) >= MOST_FIELDS:
            self.beyond += 1
        elif known is None:
            self.fields[field] = FieldCount(1, 1, place)
        else:
            known.values += 1
            known.events += field not in here
        here.add(field)
