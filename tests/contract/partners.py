"""A partner for each destination type: what the contract suite needs to know about it.

A new connector adds its partner to PARTNERS and gets the whole suite.
"""

from __future__ import annotations

import gzip
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import orjson

from ops.receiver import Fault, Receiver, read_log
from router.destinations.base import Connector
from router.destinations.registry import destination_types


class Partner(ABC):
    """Something to deliver to, in a temporary folder, for use as an asynchronous context."""

    type: str
    settings: dict[str, Any]  # a spelling that is complete

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def connector(self, **settings: Any) -> Connector:
        cls = destination_types()[self.type]
        return cls("crm", cls.Settings.model_validate(self.settings | settings), 20.0)

    @abstractmethod
    def accepted(self) -> list[str]:
        """messageIds that the partner has, in the order it took them; called after `close`."""

    @abstractmethod
    def fail(self) -> None:
        """From now on nothing is accepted, for a reason that passes."""

    @abstractmethod
    def recover(self) -> None:
        """All is well again."""


class WebhookPartner(Partner):
    type = "webhook"

    async def __aenter__(self) -> Self:
        self.receiver = await Receiver(self.folder / "log", secret="hush").start()
        url = f"{self.receiver.url}/crm"
        self.settings = {"url": url, "secret": "hush", "headers": {"X-Team": "shop"}, "allow_private": True}
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.receiver.stop()

    def accepted(self) -> list[str]:
        return [receipt["messageId"] for receipt in read_log(self.folder / "log")]

    def fail(self) -> None:
        self.receiver.faults["/crm"] = [Fault("status", status=503)]

    def recover(self) -> None:
        self.receiver.faults.clear()


class FilePartner(Partner):
    type = "file"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lake = folder / "lake"
        self.settings = {"path": str(self.lake), "rotate_bytes": 1, "rotate_age": "1h", "gzip": True}

    def accepted(self) -> list[str]:
        files = sorted(self.lake.glob("crm-*.ndjson.gz"), key=lambda path: path.stat().st_mtime_ns)
        lines = [line for path in files for line in gzip.decompress(path.read_bytes()).splitlines()]
        return [orjson.loads(line)["messageId"] for line in lines]

    def fail(self) -> None:
        self.lake.rename(self.folder / "unmounted")

    def recover(self) -> None:
        (self.folder / "unmounted").rename(self.lake)


PARTNERS: dict[str, type[Partner]] = {partner.type: partner for partner in (FilePartner, WebhookPartner)}
