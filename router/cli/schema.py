"""`router schema`: the JSON Schema of a file format, for editors and for producers' tests."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from router.cli import report

Form = Literal["topology", "event", "plan", "rule", "common"]


def command(
    form: Annotated[Form, typer.Argument(metavar="topology|event|plan|rule|common", help="Which format.")],
) -> None:
    """Print the JSON Schema of a format.

    topology: topology files. event: an event as producers send it. Of a tracking plan: plan, its plan.yaml; rule, a
    file of events/, identify.yaml or group.yaml; common, its common.yaml.
    """
    report.current().answer(_schema(form))


def _schema(form: Form) -> dict[str, Any]:
    if form == "topology":
        from router.config.schema import topology_schema
        from router.destinations.registry import destination_types

        return topology_schema(destination_types())
    if form == "event":
        from router.events.event import Limits
        from router.events.schema import event_schema

        return event_schema(Limits())
    from router.plan.schema import plan_schema

    return plan_schema(form)
