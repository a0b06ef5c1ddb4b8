"""What a search may have found, written down as a test needs it: messages at seconds after one moment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import yaml

from router.config.loader import Loaded, load_topology
from router.config.models import Topology
from router.destinations.registry import destination_types
from router.events.records import Place
from router.events.times import iso
from router.mask import Mask
from router.trace.records import DestinationRecords, Evidence, FirstSeen, GroupProgress, LoggedEvent, Sighting
from router.trace.rules import RoutingRules
from router.trace.story import EventStory, Storyteller
from router.trace.text import lines

AT = 1_767_225_600_000  # 2026-01-01T00:00:00Z
WEBHOOK = {"type": "webhook", "settings": {"url": "https://crm.example/events"}}
ORDER = {"type": "track", "event": "Order Completed", "messageId": "m1", "userId": "u1", "properties": {"total": 9.5}}


def topology(folder: Path, destinations: dict[str, Any], **more: Any) -> Loaded:
    file = folder / "shop.yaml"
    data = {"name": "shop", "sources": {"web": {}, "app": {}}, "destinations": destinations} | more
    file.write_text(yaml.safe_dump(data))
    return load_topology([file], registry=destination_types())


def message(place: str, seconds: float, body: Any, key: str = "u1", **headers: str) -> Sighting:
    """`place` is topic:partition:offset; an underscore in a header's name is a hyphen."""
    topic, partition, offset = place.rsplit(":", 2)
    value = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Sighting(Place(topic, int(partition), int(offset)), AT + round(seconds * 1000), key.encode(), value, named)


class Found:
    """An order that a worker has read and routed, with what a test adds; `destinations` are those of the topology."""

    def __init__(self, loaded: Loaded, body: dict[str, Any] = ORDER, profile: str = "p_1") -> None:
        self.loaded = loaded
        self.body = body
        self.stored = body | {"receivedAt": iso(AT), "timestamp": iso(AT), "profileId": profile}
        self.evidence = Evidence()
        self.evidence.destinations = {name: DestinationRecords() for name in loaded.topology.destinations}
        self.evidence.received.append(message("events.raw:3:7", 0, body))

    @property
    def _id(self) -> str:
        return str(self.body["messageId"])

    def seen(self, seconds: float = 0, *, source: str = "web", blocked: bool = False) -> Found:
        self.evidence.first_seen.append(FirstSeen(self._id, source, 3, AT + round(seconds * 1000), blocked))
        return self

    def resolved(self, seconds: float = 0.004, source: str = "web") -> Found:
        self.seen(source=source)
        self.evidence.resolved.append(message("events.resolved:1:5", seconds, self.stored, "p_1", source=source))
        return self

    def routed(self, name: str, offset: int = 9, seconds: float = 0.004, **headers: str) -> Found:
        one = message(f"dest.{name}:1:{offset}", seconds, self.stored, "p_1", source="web", **headers)
        self.evidence.destinations[name].routed.append(one)
        return self

    def committed(self, name: str, offset: int, *done: int) -> Found:
        self.evidence.destinations[name].progress[1] = GroupProgress(offset, done)
        return self

    def dead(self, name: str, offset: int, seconds: float, code: str, answer: str = "", origin: int = 9) -> Found:
        headers = {"error_code": code, "attempts": "1", "origin": f"dest.{name}:1:{origin}", "partner_answer": answer}
        letter = message(f"dest.{name}.dead:1:{offset}", seconds, self.stored, "p_1", **headers)
        self.evidence.destinations[name].dead.append(letter)
        return self

    def logged(
        self, name: str, seconds: float, outcome: str, ms: int | None, attempts: int = 1, code: str = ""
    ) -> Found:
        one = LoggedEvent(AT + round(seconds * 1000), outcome, code, "web", self._id, attempts, ms)
        self.evidence.destinations[name].logged.append(one)
        return self

    def story(self, *masked: str) -> EventStory:
        topology_: Topology = self.loaded.topology
        teller = Storyteller(topology_, RoutingRules(self.loaded).refusals, self.evidence, Mask(masked), AT + 3_600_000)
        return teller.story(self._id)

    def lines(self, *masked: str) -> list[str]:
        """The printed lines, their columns two blanks apart."""
        return [re.sub(" {2,}", "  ", line.text).strip() for line in lines(self.story(*masked))]
