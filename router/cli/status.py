"""`router status`: what a running router counts, and why a partner did not get an event."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.live import Live

from router.cli import report
from router.cli.options import METRICS_ADDRESS, Json
from router.cli.screen import console
from router.cli.status_pages import look
from router.cli.status_screen import picture
from router.config.options import Address, parse_address

WATCH_SECONDS = 2.0


def command(
    metrics: Annotated[
        list[str],
        typer.Option(
            "--metrics",
            metavar="HOST:PORT",
            help="Address of the metrics and health pages; repeatable, what several say is added up.",
        ),
    ] = [METRICS_ADDRESS],  # noqa: B006  typer copies it
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every two seconds until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show the counts and health of a running router: events, refusals, destinations, reasons, processes.

    Reads the pages at --metrics: that of `router up`, or those of single processes. Exit status 3 when none answers.
    """
    addresses = [parse_address(text) for text in dict.fromkeys(metrics)]
    if watch:
        _watch(addresses, as_json=as_json)
    elif as_json:
        report.current().answer(_answer(addresses))
    else:
        console().print(picture(*look(addresses)))


def _answer(addresses: Sequence[Address]) -> dict[str, object]:
    seen, ready, live = look(addresses)
    return seen.as_dict() | {"ready": ready.as_dict(), "live": live.as_dict()}


def _watch(addresses: Sequence[Address], *, as_json: bool) -> None:
    try:
        if as_json:
            while True:
                typer.echo(json.dumps(_answer(addresses)))
                time.sleep(WATCH_SECONDS)
        with Live(picture(*look(addresses)), console=console(), auto_refresh=False, screen=False) as live:
            while True:
                time.sleep(WATCH_SECONDS)
                live.update(picture(*look(addresses)), refresh=True)
    except KeyboardInterrupt:
        return
