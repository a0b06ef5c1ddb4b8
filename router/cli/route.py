"""`router route`: one route worker, or several of a machine, to scale routing out."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from router.cli.loading import require_broker, watch
from router.cli.options import Topologies, Workers, with_run_options
from router.config.options import RunOptions, parse_workers
from router.process.run import run_process

if TYPE_CHECKING:
    from router.config.loader import Loaded
    from router.process.health import Health
    from router.process.reload import Reload

Engine = Annotated[
    Literal["loop", "faust"], typer.Option("--engine", help="loop: exactly once; faust: a Faust app, at least once.")
]


@with_run_options("bootstrap", "metrics", "state", "kafka", "env_file")
def command(topologies: Topologies, engine: Engine = "loop", workers: Workers = "", *, options: RunOptions) -> None:
    """Run a route worker: events from events.raw through the agents to the destinations' topics.

    With --workers it runs several as children, starts again those that die, and serves one metrics page for all. Scale
    further by starting more on other machines, up to one worker per partition. All workers of a topology must use the
    same engine.
    """
    require_broker(options)
    wanted = parse_workers(workers) if workers else None
    reload = watch(topologies, options)
    if wanted is not None and not options.supervised:  # a child inherits ROUTER_WORKERS
        from router.process.workers import run_workers

        files = [path.absolute() for path in topologies]
        raise typer.Exit(run_workers(reload, files, options, workers=wanted, engine=engine))
    loaded, run = reload.active, _engine(engine)
    raise typer.Exit(
        run_process("route", loaded, options, lambda stop, health: run(loaded, options, stop, health, reload), reload)
    )


def _engine(name: str) -> Callable[[Loaded, RunOptions, Event, Health, Reload[Any]], None]:
    if name == "faust":
        from router.engines.faust.engine import run_faust

        return run_faust
    from router.worker.build import run_route

    return run_route
