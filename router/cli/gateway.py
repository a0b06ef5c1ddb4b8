"""`router gateway`: the HTTP gateway alone, to scale ingestion independently."""

from __future__ import annotations

import typer

from router.cli.loading import require_broker, watch
from router.cli.options import Topologies, with_run_options
from router.config.options import RunOptions
from router.process.run import run_process


@with_run_options("bootstrap", "gateway", "metrics", "kafka", "env_file")
def command(topologies: Topologies, *, options: RunOptions) -> None:
    """Run the HTTP gateway: it accepts Segment's tracking API and writes the events to events.raw.

    POST /v1/identify, track, page, screen, group, alias, batch and import; GET /v1/pixel/track and so on. It keeps no
    state: run any number of them behind a load balancer.
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
