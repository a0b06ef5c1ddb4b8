"""`router gateway`: the HTTP gateway alone, which is how taking events in is scaled out."""

from __future__ import annotations

import typer

from router.cli.loading import require_broker, watch
from router.cli.options import Topologies, with_run_options
from router.config.options import RunOptions
from router.process.run import run_process


@with_run_options("bootstrap", "gateway", "metrics", "kafka", "env_file")
def command(topologies: Topologies, *, options: RunOptions) -> None:
    """Run the HTTP gateway: POST /v1/identify, track, page, screen, group, alias, batch to events.raw.

    It keeps no state: start as many as there are callers for, behind any load balancer.
    """
    from router.gateway.server import run_gateway

    require_broker(options)
    reload = watch(topologies, options, plans=False)
    loaded = reload.active
    raise typer.Exit(
        run_process(
            "gateway",
            loaded,
            options,
            lambda stop, health: run_gateway(loaded, options, stop, health, reload=reload),
            reload,
        )
    )
