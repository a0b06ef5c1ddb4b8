"""`router receiver`: a partner on this machine, to see what a webhook sends and how the router takes its failures."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.config.options import parse_address
from router.errors import Unavailable

if TYPE_CHECKING:
    from router.receiver import Receiver


def command(
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where to take requests; port 0: any free one.")
    ] = "127.0.0.1:8099",
    log: Annotated[
        Path | None,
        typer.Option("--receipts", metavar="FILE", help="Add a line of JSON for each accepted event to this file."),
    ] = None,
    secret: Annotated[
        str, typer.Option("--secret", metavar="TEXT", help="Answer 401 to requests that are not signed with it.")
    ] = "",
    fail: Annotated[
        list[str],
        typer.Option("--fail", metavar="[/PATH=]FAULT[,KEY=VALUE...]", help="Fail requests; repeatable. See above."),
    ] = [],  # noqa: B006  typer copies it
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the address and nothing else.")] = False,
) -> None:
    """Receive what webhooks send, and print a line for each event. Prints its address first; Ctrl-C ends it.

    Takes a JSON object, or an array of them, on every path. A FAULT is a status such as 500 or 429, or one of: hang
    (no answer), close (drops the connection), lost (accepts, then drops the connection), slow (waits, then accepts),
    garbage (no HTTP), endless (an answer without end), redirect, poison (the status for events with "poison": true).

    Keys: share (0.1: one request in ten), times (at most so often), status, seconds (of slow), retry_after (a header),
    location. Examples: --fail 500,share=0.1   --fail /crm=429,retry_after=2,times=3   --fail /ads=hang
    """
    import uvloop

    from router.receiver import Receiver
    from router.receiver.faults import parse_faults

    host, port = parse_address(listen)
    receiver = Receiver(log, host=host, port=port, secret=secret, show=None if quiet else _show)
    receiver.faults = parse_faults(fail)
    try:
        uvloop.run(_serve(receiver))
    except OSError as error:
        raise Unavailable(f"cannot receive on {listen}: {error.strerror or error}") from error


def _show(line: str) -> None:
    typer.echo(line)


async def _serve(receiver: Receiver) -> None:
    """Print the address and serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with receiver:
        typer.echo(receiver.url)
        await stop.wait()
