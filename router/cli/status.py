"""`router status`: what a running router counts, and why a partner did not get an event."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer
from rich.live import Live

from router.cli import report
from router.cli.options import Json, with_run_options
from router.cli.screen import console
from router.cli.status_screen import picture
from router.config.options import Address, RunOptions
from router.errors import Unavailable
from router.process.health import Check, Report
from router.process.scrape import health, scrape
from router.process.snapshot import Snapshot, snapshot

WATCH_SECONDS = 2.0


@with_run_options("metrics")
def command(
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every two seconds until Ctrl-C.")] = False,
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Show the counts and health of a running router: events, destinations, reasons, processes.

    Reads the page at --metrics, of `router up` or of a single process. Exit status 3 when nothing answers there.
    """
    if watch:
        _watch(options.metrics, as_json=as_json)
    elif as_json:
        report.current().answer(_answer(options.metrics))
    else:
        console().print(picture(*look(options.metrics)))


def look(address: Address) -> tuple[Snapshot, Report, Report]:
    """The counts and both health reports. Raises Unavailable when nothing answers."""
    seen = snapshot(scrape(address))
    return seen, _report(address, "/readyz"), _report(address, "/healthz")


def _report(address: Address, page: str) -> Report:
    """A process that ends between the two questions has no health to report, but its counts are still worth showing."""
    try:
        return health(address, page)
    except Unavailable as error:
        return Report(False, {"page": Check(False, str(error))})


def _answer(address: Address) -> dict[str, object]:
    seen, ready, live = look(address)
    return seen.as_dict() | {"ready": ready.as_dict(), "live": live.as_dict()}


def _watch(address: Address, *, as_json: bool) -> None:
    try:
        if as_json:
            while True:
                typer.echo(json.dumps(_answer(address)))
                time.sleep(WATCH_SECONDS)
        with Live(picture(*look(address)), console=console(), auto_refresh=False, screen=False) as live:
            while True:
                time.sleep(WATCH_SECONDS)
                live.update(picture(*look(address)), refresh=True)
    except KeyboardInterrupt:
        return
