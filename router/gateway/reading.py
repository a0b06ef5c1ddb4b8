"""A request's body, read and inflated: limited in bytes and seconds, and all bodies together in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

from aiohttp import StreamReader, hdrs, web

from router.gateway.inflate import InflateError, coding, gunzip

ALL_BODIES = 128 * 1024 * 1024  # bytes of all bodies being read at once


class ReadBody(NamedTuple):
    """What arrived, and the code of what is wrong with it, if anything.

    `length` is set where `data` is only the beginning: bytes of the whole, or those that arrived where it is unknown.
    """

    data: bytes
    code: str = ""
    length: int | None = None


@dataclass
class Memory:
    """What all bodies together may take; `held` is the bytes of those that are not yet complete."""

    limit: int = ALL_BODIES
    held: int = 0


class BodyReader:
    """Shared by all requests, the memory also by other readers. `cap` and `inflated_cap` are bytes."""

    def __init__(self, cap: int, inflated_cap: int, seconds: float, memory: Memory | None = None) -> None:
        self._cap = cap
        self._inflated_cap = inflated_cap
        self._seconds = seconds
        self.memory = memory or Memory()

    async def read(self, request: web.BaseRequest) -> ReadBody:
        """Raises ConnectionError when the client disconnects meanwhile."""
        encoding = coding(request.headers.get(hdrs.CONTENT_ENCODING, ""))
        if encoding is None:
            return ReadBody(b"", "unsupported_encoding")
        length = request.content_length
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
            if length is not None and length > self._cap:
                return ReadBody(b"", "body_too_large", length)
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        data, code = await self._arrived(request.content)
        if code:
            return ReadBody(data, code, length if length is not None else len(data))
        return self._inflated(data) if encoding == "gzip" else ReadBody(data)

    def _inflated(self, data: bytes) -> ReadBody:
        try:
            return ReadBody(gunzip(data, self._inflated_cap))
        except InflateError as error:
            return ReadBody(data, error.code)

    async def _arrived(self, content: StreamReader) -> tuple[bytes, str]:
        if content.is_eof():  # it came with the head, as most do
            data = content.read_nowait()
            return (data, "") if len(data) <= self._cap else (data[: self._cap], "body_too_large")
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
        return b"".join(parts), code

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
