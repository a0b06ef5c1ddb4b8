"""`/live`: the WebSocket of a live table, and `/event`: the whole of one event, when its row is opened."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import ClientConnectionResetError, WSMsgType, web

from router.console.live.hub import LiveHub, Watcher
from router.console.live.rows import LiveFilter
from router.console.one_event import as_shown, place_of
from router.console.sight import Sight

HUB: web.AppKey[LiveHub] = web.AppKey("hub", LiveHub)
HEARTBEAT_SECONDS = 30.0
LARGEST_QUESTION = 4 * 1024


async def live(request: web.Request) -> web.StreamResponse:
    """A browser sends what it wants, as often as it likes, and gets rows. The caller has checked who asks."""
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, max_msg_size=LARGEST_QUESTION)
    await socket.prepare(request)
    hub, watcher = request.app[HUB], Watcher()
    sender: asyncio.Task[None] | None = None
    try:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            wanted = LiveFilter.of(_object(message.data))
            if sender is None:
                watcher.wanted = wanted
                hub.join(watcher)
                sender = asyncio.create_task(_send(socket, watcher))
            else:
                hub.ask(watcher, wanted)
    finally:
        if sender is not None:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
        await hub.leave(watcher)
    return socket


async def _send(socket: web.WebSocketResponse, watcher: Watcher) -> None:
    while not socket.closed:
        batch = await watcher.next()
        try:
            await socket.send_str(batch.decode())
        except (ClientConnectionResetError, ConnectionError):
            return  # the browser has gone; the receiving side ends too


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


async def event(sight: Sight, place: str) -> dict[str, Any]:
    """What a row is opened for. Raises UsageError for a place of another kind of topic."""
    found = place_of(sight, place)
    return await sight.read(lambda: as_shown(sight, found))
