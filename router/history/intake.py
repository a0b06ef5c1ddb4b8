"""The same intake as the gateway's: shape, limits, personal data, receive time and write key of an imported event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from router.config.models import Topology
from router.events.event import Body
from router.events.records import Record
from router.gateway.address import Client
from router.gateway.answers import explained
from router.gateway.bodies import Items
from router.gateway.credentials import Credential, WriteKeys
from router.gateway.renew import ingest_of

MOST = 1_000_000  # events at a time; batches are smaller
_NOBODY = Client()


class RefusedRow(NamedTuple):
    """`number` in what was given, from 0, and why in words."""

    number: int
    reason: str


class RowItems(Items):
    """Events of rows, a batch even where it is one. No bytes are kept: a bad row is named by file and line."""

    def __init__(self, events: Sequence[Body]) -> None:
        super().__init__(b"", [])
        self.values = list(events)

    def raw(self, index: int | None) -> bytes:
        return b""


class HistoryIntake:
    """Of one source. `write_key` is what names it in `topic`; empty where the topic does."""

    def __init__(self, topology: Topology, source: str, topic: str, write_key: bytes) -> None:
        self._ingest = ingest_of(topology, WriteKeys({}), MOST)
        self._credential = Credential(source, header=write_key, digest=write_key)
        self._topic = topic

    def take(self, events: Sequence[Body]) -> tuple[list[Record], list[RefusedRow]]:
        """The records of those that are fit to be sent, in order, and the rest. Changes the events.

        The records share their headers, by which the produce loop knows that they are alike.
        """
        found = self._ingest.take(RowItems(events), b"", "", self._credential, _NOBODY)
        refused = [RefusedRow(fault.item or 0, explained(fault.code)) for fault in found.rejected]
        if not found.events:
            return [], refused
        _, _, _, headers = found.events[0]  # the same of all: one key, one time
        shared = (headers or [])[0 if self._credential.header else 1 :]
        topic = found.events[0][0] if self._credential.header else self._topic
        return [(topic, value, key, shared) for _, value, key, _ in found.events], refused
