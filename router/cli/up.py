"""`router up`: all processes of a topology on one machine, with a broker when none is named."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from router.cli.console import CONSOLE_ADDRESS, console_address
from router.cli.loading import watch
from router.cli.options import Topologies, Workers, with_run_options
from router.config.loader import Loaded
from router.config.options import Address, RunOptions, parse_address, parse_workers
from router.config.topics import topics_of
from router.errors import RouterError
from router.kafka.cluster import Cluster
from router.process.up import Running, run_up
from router.replay.redrive_log import MOST_COUNTED, open_letters

log = logging.getLogger(__name__)
_CALL, _EVENT = "identify", '{"userId": "u1"}'  # what nearly every tracking plan lets through


@with_run_options()
def command(
    topologies: Topologies,
    workers: Workers = "1",
    console: Annotated[
        str,
        typer.Option(
            "--console",
            metavar="HOST:PORT",
            help="Address of the web console (extra `console`), or off.",
        ),
    ] = CONSOLE_ADDRESS,
    insights: Annotated[
        str,
        typer.Option(
            "--insights", metavar="HOST:PORT", help="Address of the counts over time, or `off`; needs the extra faust."
        ),
    ] = "127.0.0.1:0",
    *,
    options: RunOptions,
) -> None:
    """Run everything: gateway, route workers, delivery, pulls, insights (extra `faust`), metrics, web console.

    Changes of topology files and plans are applied while it runs, and on SIGHUP; faulty ones are refused.
    Ctrl-C or SIGTERM stops everything cleanly, a second one at once. Exit status 3 when the embedded broker dies.
    """
    wanted = parse_workers(workers)
    options = replace(options, insights=None if insights == "off" else parse_address(insights))
    reload = watch(topologies, options)
    options = replace(options, console=console_address(console, options))
    files = [path.absolute() for path in topologies]
    raise typer.Exit(
        run_up(reload, files, options, workers=wanted, announce=lambda running: announce(running, topologies))
    )


def announce(running: Running, topologies: Sequence[Path]) -> None:
    """Print where things are; then, on a broker that was there before, how many dead letters wait there."""
    typer.echo(announcement(running))
    if running.options.embedded:
        return
    topology = running.loaded.topology
    try:
        waiting = open_letters(Cluster.of(running.options), topics_of(topology), list(topology.destinations))
    except RouterError as error:
        log.warning("cannot count the dead letters: %s", error)
        return
    if waiting:
        counts = ", ".join(f"{name} {count}{'+' * (count >= MOST_COUNTED)}" for name, count in waiting.items())
        named = " ".join(f"--topology {shlex.quote(str(path))}" for path in topologies)
        typer.echo(f"  dead     {counts} dead letters; router dlq list {named} --bootstrap {running.options.bootstrap}")


def announcement(running: Running) -> str:
    """What runs where, and a first event to send."""
    options, name = running.options, running.loaded.topology.name
    broker, state = options.bootstrap, str(options.state)
    if options.embedded:
        broker += " (embedded: in memory only, events that are not delivered when it stops are gone)"
        state += " (of this run only)"
    metrics = _url(options.metrics)
    console = [f"  console  {_url(options.console)}"] if options.console else []
    lines = [
        f"router up: {name}, {running.guarantee}",
        f"  broker   {broker}",
        f"  gateway  {_url(options.gateway)}",
        f"           {_first_event(running.loaded, options)}",
        f"  metrics  {metrics}/metrics, {metrics}/healthz, {metrics}/readyz; try: router status",
        f"  events   router tap events.resolved --bootstrap {options.bootstrap}",
        *console,
        *([f"  insights {_url(options.insights)}/v1/funnel"] if options.insights else []),
        f"  state    {state}",
    ]
    return "\n".join(lines)


def _first_event(loaded: Loaded, options: RunOptions) -> str:
    """A curl command. The write key itself is shown only where everything ends with the terminal."""
    key = next(
        (
            key
            for source in loaded.topology.sources.values()
            if not source.refusal(loaded.topology.environment)
            for key in source.write_keys
        ),
        None,
    )
    if key is None:
        return "no source has a write key, so every HTTP call is answered 401"
    user = shlex.quote(f"{key.get_secret_value()}:") if options.embedded else '"$WRITE_KEY:"'
    return f"curl -u {user} -H 'Content-Type: application/json' -d '{_EVENT}' {_url(options.gateway)}/v1/{_CALL}"


def _url(address: Address) -> str:
    """The address as a URL that works on this machine, also for a listener on all interfaces."""
    host, port = address
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared, not bound)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
