"""`router destinations check`: whether each partner is there and takes our credentials, without sending an event."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli import report
from router.cli.loading import load, only_topology
from router.cli.options import Json, TopologyOption, with_run_options
from router.config.options import RunOptions

if TYPE_CHECKING:
    from router.config.loader import Loaded
    from router.destinations.base import Connector, Outcome


@with_run_options("env_file")
def command(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help="Destinations of the topology; default: all that are enabled.")
    ] = [],  # noqa: B006  typer copies it
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Ask each partner, by a request without events, whether it takes the credentials.

    Exit status 1 when one does not, 3 when only some cannot be reached. A partner that has no such
    request is named and counts as fine.
    """
    from router.delivery.manager import connector_of
    from router.destinations.advice import accepted, blank_credentials, unreachable

    loaded = load(topology or only_topology(), options)
    for name in names:
        destination_of(loaded, name)
    connectors = [connector_of(loaded, name) for name in names or loaded.topology.enabled_destinations]
    outcomes = asyncio.run(_checked(connectors))
    for one in connectors:
        for place in blank_credentials(one.settings):
            typer.echo(f"warning: destinations.{one.name}.{place} begins or ends with a blank", err=True)
    said = {one.name: _words(one, outcome) for one, outcome in zip(connectors, outcomes, strict=True)}
    if as_json:
        report.current().answer([_row(one, outcome) for one, outcome in zip(connectors, outcomes, strict=True)])
    else:
        width = max(map(len, said), default=0)
        for name, words in said.items():
            typer.echo(f"{name:<{width}}  {words}")
    failed = [outcome for outcome in outcomes if outcome is not None and not accepted(outcome)]
    if failed:
        raise typer.Exit(3 if all(map(unreachable, failed)) else 1)


def destination_of(loaded: Loaded, name: str) -> None:
    """Raises UsageError where the topology has no destination of that name."""
    from router.document import nearest
    from router.errors import UsageError

    destinations = loaded.topology.destinations
    if name not in destinations:
        hint = nearest(name, destinations)
        raise UsageError(f"expected a destination, got {name}" + (f" (did you mean {hint}?)" if hint else ""))


async def _checked(connectors: Sequence[Connector]) -> list[Outcome | None]:
    from router.destinations.advice import check

    return list(await asyncio.gather(*map(check, connectors)))


def _row(connector: Connector, outcome: Outcome | None) -> dict[str, Any]:
    from router.destinations.advice import accepted

    fine, code = (None, None) if outcome is None else (accepted(outcome), outcome.code)
    says = _words(connector, outcome)
    return {"name": connector.name, "type": connector.type, "accepted": fine, "code": code, "says": says}


def _words(connector: Connector, outcome: Outcome | None) -> str:
    from router.destinations.advice import accepted, in_words
    from router.destinations.http import HttpDestination

    if outcome is None and not isinstance(connector, HttpDestination):
        return "cannot be asked"
    if outcome is None:
        return f"cannot be asked without an event: router destinations try {connector.name} --send"
    return "takes the credentials" if accepted(outcome) else in_words(outcome)
