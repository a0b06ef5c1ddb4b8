"""`router route`: one route worker alone, which is how routing is scaled out."""

from __future__ import annotations

import typer

from router.cli.loading import load, require_broker
from router.cli.options import Topologies, with_run_options
from router.config.options import RunOptions
from router.process.run import run_process


@with_run_options("bootstrap", "metrics", "state", "kafka", "env_file")
def command(topologies: Topologies, *, options: RunOptions) -> None:
    """Run one route worker: events.raw through validate, dedupe, identify and fanout to the destinations' topics.

    Start as many as there is work for, on as many machines as you like; at most one per partition has something to do.
    """
    from router.runtime.route import run_route

    require_broker(options)
    loaded = load(topologies, options)
    raise typer.Exit(
        run_process("route", loaded, options, lambda stop, health: run_route(loaded, options, stop, health))
    )
