"""`router insights`: counts over time, as JSON on this machine."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec
from typing import Annotated

import typer

from router.cli.loading import require_broker, watch
from router.cli.options import Topologies, with_run_options
from router.config.options import INSIGHTS, RunOptions, parse_address
from router.errors import UsageError
from router.process.run import run_process

NICE = 10  # routing and delivery go first on a busy machine
_ADDRESS = "{}:{}".format(*INSIGHTS)


@with_run_options("bootstrap", "metrics", "state", "kafka", "env_file")
def command(
    topologies: Topologies,
    insights: Annotated[
        str, typer.Option("--insights", metavar="HOST:PORT", help="Address of the answers; keep it on this machine.")
    ] = _ADDRESS,
    *,
    options: RunOptions,
) -> None:
    """Count what happened over time and answer questions about it as JSON: a Faust app with windowed tables.

    GET /v1/funnel, /v1/events, /v1/violations, /v1/destinations, /v1/volume, each with ?since=1h&until=now&step=5m;
    ops/reference/insights.md has every field. Needs the extra `faust`. One process counts all; a second one counts
    all too. What it has counted lies in --state: without it, it counts again what the topics still hold.
    """
    require_broker(options)
    if find_spec("faust") is None or find_spec("datasketches") is None:
        raise UsageError("router insights: expected the extra `faust`, got an installation without it")
    os.nice(NICE)
    from router.insights.run import run_insights

    if not options.supervised:
        options = replace(options, insights=parse_address(insights))
    reload = watch(topologies, options, plans=False)
    loaded = reload.active
    raise typer.Exit(
        run_process(
            "insights",
            loaded,
            options,
            lambda stop, health: run_insights(loaded, options, stop, health, reload),
            reload,
        )
    )
