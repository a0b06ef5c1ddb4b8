"""`router schema`: the JSON Schema of a file format, for editors and for producers' tests."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from router.cli import report


def command(
    form: Annotated[Literal["topology", "event"], typer.Argument(metavar="topology|event", help="Which format.")],
) -> None:
    """Print the JSON Schema of topology files, or of an event as producers send it."""
    if form == "topology":
        from router.config.schema import topology_schema
        from router.destinations.registry import destination_types

        report.current().answer(topology_schema(destination_types()))
    else:
        from router.events.event import Limits
        from router.events.schema import event_schema

        report.current().answer(event_schema(Limits()))
