"""What the contract suite needs of a partner: somewhere to deliver to that behaves as the real one documents it."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import orjson
from aiohttp import web

from router.destinations.base import Connector, Delivery
from router.destinations.contract.events import delivery
from router.destinations.registry import destination_types

ConnectorClass = type[Connector]
Trouble = Literal["down", "refuse", "throttle", "lose"]


def second(number: int) -> str:
    """The time of event `number`, for partners that know events by their second."""
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)).isoformat().replace("+00:00", ".000Z")


class Partner(ABC):
    """In a temporary folder, for use as an asynchronous context. `settings` is a spelling that is complete.

    `destination` is the connector's class; left out, the one that is registered as `type`.
    `troubles` are the kinds that `trouble` can make: everyone can be `down`. `secret` stands in the settings and must
    never be shown.
    """

    type: ClassVar[str]
    destination: ClassVar[ConnectorClass | None] = None
    troubles: ClassVar[tuple[Trouble, ...]] = ("down",)
    secret: ClassVar[str] = "hush-4711"  # noqa: S105  of a double
    largest: ClassVar[int] = 31_000  # bytes of an event that it must take; the router's own limit is 32 KiB

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    @classmethod
    def connector_type(cls) -> ConnectorClass:
        """The class under test."""
        return cls.destination or destination_types()[cls.type]

    def connector(self, **settings: Any) -> Connector:
        """A new connector with these settings over those that are complete."""
        cls = self.connector_type()
        return cls("crm", cls.Settings.model_validate(self.settings | settings), 20.0)

    def event(self, number: int, **fields: Any) -> Delivery:
        """An event that the partner takes. Override it where that is not just any track call."""
        return delivery(number, **fields)

    def name(self, event: Delivery) -> str:
        """What `accepted` calls that event: its messageId, where the partner keeps that."""
        return str(event.body["messageId"])

    @abstractmethod
    def accepted(self) -> list[str]:
        """The names of the events that the partner has, in the order it took them; called after `close`."""

    @abstractmethod
    def trouble(self, kind: Trouble) -> None:
        """From now on: `down` takes nothing for a reason that passes; `refuse` does not take our credentials;
        `throttle` asks us to wait, in the partner's own form; `lose` takes the events and answers nothing."""

    @abstractmethod
    def recover(self) -> None:
        """All is well again."""


@dataclass(frozen=True)
class PartnerCall:
    """A request as the partner sees it. Header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Reply:
    """What the partner answers: JSON, or text where `payload` is a string."""

    status: int = 200
    payload: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        text = self.payload if isinstance(self.payload, str) else orjson.dumps(self.payload).decode()
        kind = "text/plain" if isinstance(self.payload, str) else "application/json"
        return web.Response(status=self.status, text=text, headers=self.headers, content_type=kind)


class HttpPartner(Partner):
    """A double on loopback. Write `answer`: it checks what the partner checks and calls `take` for what it accepts.

    `calls` has every request; `url` is the double's address, for `settings`.
    """

    troubles = ("down", "refuse", "throttle", "lose")
    throttled: ClassVar[Reply] = Reply(429, "slow down", {"Retry-After": "0.2"})

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.calls: list[PartnerCall] = []
        self.url = ""
        self._taken: dict[str, float] = {}
        self._trouble: Trouble | None = None

    @abstractmethod
    def answer(self, call: PartnerCall) -> Reply:
        """The partner's answer, by its documentation."""

    def configure(self) -> Mapping[str, Any]:
        """The settings, once `url` is known."""
        return {"base_url": self.url, "allow_private": True}

    def take(self, names: Sequence[str]) -> None:
        """The partner has these events now; one that it knows already is the same one (its own dedupe)."""
        for name in names:
            self._taken.setdefault(name, time.monotonic())

    def accepted(self) -> list[str]:
        return list(self._taken)

    def trouble(self, kind: Trouble) -> None:
        self._trouble = kind

    def recover(self) -> None:
        self._trouble = None

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self.settings = dict(self.configure())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = PartnerCall(request.method, request.path, dict(request.query), headers, await request.content.read(-1))
        self.calls.append(call)
        if self._trouble == "down":
            return Reply(503, "down").response()
        if self._trouble == "refuse":
            return Reply(401, "who are you?").response()
        if self._trouble == "throttle":
            return self.throttled.response()
        reply = self.answer(call)
        if self._trouble == "lose" and request.transport is not None:
            request.transport.close()
            await asyncio.sleep(0)
        return reply.response()
