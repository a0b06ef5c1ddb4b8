"""The metrics page of a command that runs for a while: served on request, for as long as it runs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer

from router.config.options import parse_address
from router.process.health import Health
from router.process.serve import MetricsServer, bind

MetricsPage = Annotated[
    str,
    # Not --metrics: ROUTER_METRICS is, in a container, the address of the service that runs there.
    typer.Option(
        "--metrics-page",
        metavar="HOST:PORT",
        help="Serve metrics and health pages meanwhile; left out: none, or with --follow at any free port.",
    ),
]


def served(address: str) -> AbstractContextManager[object]:
    """Raises UsageError for an address that is taken, or none."""
    if not address:
        return nullcontext()
    health = Health()
    health.ready("command", True)
    return MetricsServer(bind(parse_address(address)), health)
