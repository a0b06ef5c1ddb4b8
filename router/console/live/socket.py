"""`/live`: the WebSocket of a live table, and `/event`: the whole of one event, when its row is opened."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import ClientConnectionResetError, WSMsgType, web

from router.config.topics import source_topics
from router.console.live.hub import LiveHub, Watcher
from router.console.live.rows import LiveFilter
from router.console.sight import Sight
from router.console.text import LONGEST_BODY, payload, visible
from router.errors import RouterError, UsageError
from router.kafka.span import span

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
    """What a row is opened for: the event as text, masked. Raises UsageError for a place of another kind of topic."""
    topic, partition, offset = _place(sight, place)
    return await sight.read(lambda: _read(sight, topic, partition, offset))


def _place(sight: Sight, place: str) -> tuple[str, int, int]:
    rest = place.rsplit(":", 2)
    topics = sight.topics
    known = {topics.raw, topics.resolved, topics.blocked, topics.invalid, *source_topics(sight.loaded.topology)}
    if len(rest) != 3 or rest[0] not in known or not (rest[1].isdecimal() and rest[2].isdecimal()):
        raise UsageError("expected topic:partition:offset of an event")
    return rest[0], int(rest[1]), int(rest[2])


def _read(sight: Sight, topic: str, partition: int, offset: int) -> dict[str, Any]:
    for messages in span(sight.cluster, topic, partition, offset, offset + 1):
        value = messages[0].value() or b""
        try:
            body = json.loads(value)
        except ValueError:
            text = visible(sight.mask.text(value[:LONGEST_BODY].decode(errors="replace")))
            return {"title": "no JSON", "body": text, "raw": text}
        masked = sight.mask.value(body)
        line = json.dumps(masked, ensure_ascii=False, separators=(",", ":"), default=str)
        return {"title": _title(masked), "body": payload(masked), "raw": visible(line[:LONGEST_BODY])}
    raise RouterError("this event is no longer there: its topic keeps it no longer, or its transaction was aborted")


def _title(body: Any) -> str:
    """As the call was written: `track("Order Completed")`."""
    if not isinstance(body, dict):
        return "no event"
    name = body.get("event") or body.get("name") or body.get("groupId") or ""
    call = visible(body.get("type", "event"), 40)
    return f"{call}({visible(json.dumps(name, ensure_ascii=False), 80) if name else ''})"
