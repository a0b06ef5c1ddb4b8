"""`router status`: what a router counts, how much waits and for how long, and why a partner did not get an event."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from router.cli import report
from router.cli.loading import load, named_cluster, require_broker
from router.cli.options import METRICS_ADDRESS, Json, with_run_options
from router.cli.screen import console
from router.cli.status_screen import picture
from router.config.options import RunOptions, parse_address
from router.process.rates import Rates, rates
from router.status.pages import Look, look

WATCH_SECONDS = 2.0
Looking = Callable[[], Look]


@with_run_options("bootstrap", "kafka", "env_file")
def command(
    topologies: Annotated[
        list[Path],
        typer.Argument(
            metavar="[TOPOLOGY…]",
            help="Read totals, backlogs and pauses of this topology from Kafka itself, whatever runs; with --metrics, "
            "reasons and refusals from the processes too. Left out: the pages at --metrics alone.",
        ),
    ] = [],  # noqa: B006  typer copies it
    metrics: Annotated[
        list[str],
        typer.Option(
            "--metrics",
            metavar="HOST:PORT",
            help=f"Address of the metrics and health pages, {METRICS_ADDRESS} if left out; repeatable, what several "
            "say is added up.",
        ),
    ] = [],  # noqa: B006
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every two seconds until Ctrl-C, with rates.")] = False,
    with_rates: Annotated[
        bool, typer.Option("--rates", help="Look twice, two seconds apart, and show events a second.")
    ] = False,
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Show the counts and health of a router: events, backlogs, refusals, destinations, reasons, processes.

    Reads the pages at --metrics: that of `router up`, or those of single processes. With a TOPOLOGY and --bootstrap
    totals, backlogs and pauses come from Kafka. Exit status 3 when none answers.
    """
    looking = _looking(topologies, metrics, options)
    if watch:
        _watch(looking, as_json=as_json)
        return
    now, speed = looking(), None
    if with_rates:
        now, speed = _again(looking, now)
    if as_json:
        report.current().answer(_answer(now, speed))
    else:
        console().print(picture(*now, speed))


def _looking(topologies: list[Path], metrics: list[str], options: RunOptions) -> Looking:
    """What takes one look. Raises UsageError where no broker is named for a topology."""
    addresses = [parse_address(text) for text in dict.fromkeys(metrics or [METRICS_ADDRESS])]
    if not topologies:
        return lambda: look(addresses)
    from router.embedded.broker import recognised
    from router.status.kafka import completed, look_at_kafka

    require_broker(options)
    loaded = load(topologies, options, secrets=False)
    cluster = recognised(named_cluster(options))
    if not metrics:
        return lambda: look_at_kafka(loaded, cluster)
    return lambda: completed(look_at_kafka(loaded, cluster), look(addresses))


def _again(looking: Looking, before: Look) -> tuple[Look, Rates]:
    """Wait, look again, and compare."""
    began = time.monotonic()
    time.sleep(WATCH_SECONDS)
    now = looking()
    return now, rates(before.seen, now.seen, time.monotonic() - began)


def _answer(now: Look, speed: Rates | None) -> dict[str, object]:
    health = {"ready": now.ready.as_dict(), "live": now.live.as_dict()}
    return now.seen.as_dict() | health | {"rates": speed.as_dict() if speed else None}


def _watch(looking: Looking, *, as_json: bool) -> None:
    try:
        now = looking()
        if as_json:
            speed = None
            while True:
                typer.echo(json.dumps(_answer(now, speed)))
                now, speed = _again(looking, now)
        with Live(picture(*now), console=console(), auto_refresh=False, screen=False) as live:
            while True:
                now, speed = _again(looking, now)
                live.update(picture(*now, speed), refresh=True)
    except KeyboardInterrupt:
        return
