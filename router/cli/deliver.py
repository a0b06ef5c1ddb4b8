"""`router deliver`: delivery alone, to scale it out or to isolate a destination."""

from __future__ import annotations

from typing import Annotated

import typer

from router.cli.loading import require_broker, watch
from router.cli.options import Topologies, with_run_options
from router.config.options import RunOptions
from router.process.run import run_process

Destinations = Annotated[
    list[str], typer.Option("--destination", metavar="NAME", help="Deliver only to this destination; repeatable.")
]


@with_run_options("bootstrap", "metrics", "state", "kafka", "env_file")
def command(
    topologies: Topologies,
    destination: Destinations = [],  # noqa: B006  typer copies it
    switched_off: Annotated[
        bool,
        typer.Option(
            "--switched-off",
            help="Those named may have enabled: false: what waits for them, such as a replay, is delivered.",
        ),
    ] = False,
    *,
    options: RunOptions,
) -> None:
    """Deliver events from the destinations' topics to their partners.

    Scale out by starting more processes: they share the partitions of each destination.
    """
    from router.delivery.run import run_delivery

    require_broker(options)
    reload = watch(topologies, options, plans=False)
    loaded = reload.active
    raise typer.Exit(
        run_process(
            "deliver",
            loaded,
            options,
            lambda stop, health: run_delivery(
                loaded, options, stop, health, destination, reload, switched_off=switched_off
            ),
            reload,
        )
    )
