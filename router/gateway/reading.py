"""Reading a request's body: at most so many bytes, in at most so many seconds, and all bodies within one memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

from aiohttp import StreamReader, web

ALL_BODIES = 128 * 1024 * 1024  # bytes of all bodies being read at once


class Body(NamedTuple):
    """What arrived, and the code of what is wrong with it, if anything; then `data` is only the beginning."""

    data: bytes
    code: str = ""


@dataclass
class Memory:
    """What all bodies together may take; `held` is the bytes of those that are not yet whole."""

    limit: int = ALL_BODIES
    held: int = 0


class BodyReader:
    """Shared by all requests, the memory also by other readers."""

    def __init__(self, cap: int, seconds: float, memory: Memory | None = None) -> None:
        self._cap = cap
        self._seconds = seconds
        self.memory = memory or Memory()

    async def read(self, content: StreamReader) -> Body:
        """Raises ConnectionError when the client goes away meanwhile."""
        if content.is_eof():  # it came with the head, as most do
            data = content.read_nowait()
            return Body(data) if len(data) <= self._cap else Body(data[: self._cap], "body_too_large")
        parts: list[bytes] = []
        code = ""
        try:
            async with asyncio.timeout(self._seconds):
                code = await self._gather(content, parts)
        except TimeoutError:
            code = "body_timeout"
        except web.RequestPayloadError:
            code = "bad_request"
        finally:
            self.memory.held -= sum(map(len, parts))
        return Body(b"".join(parts), code)

    async def _gather(self, content: StreamReader, parts: list[bytes]) -> str:
        size = 0
        while part := await content.readany():
            parts.append(part)
            size += len(part)
            self.memory.held += len(part)
            if size > self._cap:
                return "body_too_large"
            if self.memory.held > self.memory.limit:
                return "overloaded"
        return ""
