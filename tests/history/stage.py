"""A topology whose events and imports are on a broker; no process runs."""

from __future__ import annotations

from typing import Any

import orjson
from confluent_kafka import Message

from tests.cli.lines import Ended, Line
from tests.delivery.stage import Stage

WEBHOOK = {"type": "webhook", "settings": {"url": "https://crm.example/events"}}


class HistoryStage(Stage):
    """With all topics of the topology."""

    parts = ("",)  # all of them

    def write(self, destinations: dict[str, Any], **topology: Any) -> None:
        sources = {"web": {"write_keys": ["key-of-web"]}, "past": {"topics": [f"{self.name}.rows"]}}
        super().write(destinations, **({"sources": sources} | topology))

    def messages(self, source: str = "web") -> list[Message]:
        """What is in the topic of a source, committed."""
        return self.read(self.topics.raw if source == "web" else f"{self.name}.rows")

    def bodies(self, source: str = "web") -> list[dict[str, Any]]:
        return [orjson.loads(message.value() or b"") for message in self.messages(source)]

    def run(self, line: Line, command: str, *arguments: object) -> Ended:
        return line(command, *arguments, "--topology", self.file, "--bootstrap", self.cluster.bootstrap)
