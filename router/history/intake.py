"""The same intake as the gateway's: shape, limits, personal data, receive time and write key of an imported event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from router.config.models import Topology
from router.events.event import Body
from router.events.reader import InputItem
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
    """Events of rows. The bytes of one are not kept: a bad row is named by its file and line."""

    def __init__(self, events: Sequence[Body]) -> None:
        super().__init__(b"", [InputItem(event, {}, 1, (number,), b"") for number, event in enumerate(events)])


class HistoryIntake:
    """Of one source. `write_key` is what names it in `topic`; empty where the topic does."""

    def __init__(self, topology: Topology, source: str, topic: str, write_key: bytes) -> None:
        self._ingest = ingest_of(topology, WriteKeys({}), MOST)
        self._credential = Credential(source, header=write_key, digest=write_key)
        self._topic = topic

    def take(self, events: Sequence[Body]) -> tuple[list[Record], list[RefusedRow]]:
        """The records of those that are fit to be sent, in order, and the rest. Changes the events."""
        found = self._ingest.take(RowItems(events), b"", "", self._credential, _NOBODY)
        refused = [RefusedRow(fault.item or 0, explained(fault.code)) for fault in found.rejected]
        if self._credential.header:
            return found.events, refused
        return [(self._topic, value, key, (headers or [])[1:]) for _, value, key, headers in found.events], refused
