"""The console process: its listener, its look at the topology's files, and its end.

It holds nothing that counts: kill -9 loses sessions and open pages, no event and no action that was answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from threading import Event
from typing import Any

from aiohttp import web

from router.config.loader import Loaded
from router.config.options import CONSOLE, RunOptions
from router.console.access import Access
from router.console.app import make_app
from router.console.sight import Sight
from router.errors import Unavailable
from router.process.health import Health
from router.process.reload import Reload
from router.process.run import register_secrets

_ROUND_SECONDS = 0.25
_LISTENS = "console"

log = logging.getLogger(__name__)


def run_console(access: Access, options: RunOptions, stop: Event, health: Health, reload: Reload[Any]) -> None:
    """Serve until `stop` is set. Raises Unavailable when the address is taken."""
    asyncio.run(_serve(access, options, stop, health, reload))


async def _serve(access: Access, options: RunOptions, stop: Event, health: Health, reload: Reload[Any]) -> None:
    sight = Sight(reload.active, options)
    reload.use(_as_it_is, register=lambda loaded: register_secrets(loaded, options))
    runner = web.AppRunner(make_app(sight, access), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    host, port = options.console or CONSOLE
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise Unavailable(f"the console cannot listen on {host}:{port}: {error.strerror or error}") from error
        log.info("console listens", extra={"address": f"{host}:{port}"})
        health.ready(_LISTENS, True)
        await _until(stop, sight, reload)
    finally:
        with contextlib.suppress(TimeoutError):
            await runner.cleanup()
        await asyncio.to_thread(sight.jobs.close)


def _as_it_is(loaded: Loaded) -> Loaded:
    return loaded


async def _until(stop: Event, sight: Sight, reload: Reload[Any]) -> None:
    while not stop.is_set():
        offer = reload.take()
        if offer is not None:
            sight.loaded = offer.loaded
            reload.done(offer)
        await asyncio.sleep(_ROUND_SECONDS)
