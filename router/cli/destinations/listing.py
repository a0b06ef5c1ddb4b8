"""`router destinations` and `router destinations show`: the destination types, and the settings of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli import report
from router.cli.loading import FOLDER
from router.cli.options import Json
from router.destinations.base import Connector
from router.destinations.registry import destination_types
from router.document import nearest
from router.errors import UsageError

if TYPE_CHECKING:
    from router.destinations.default_map import Targets


def command(ctx: typer.Context, as_json: Json = False) -> None:
    """List the destination types."""
    if ctx.invoked_subcommand:
        return
    types = destination_types()
    if as_json:
        report.current().answer([{"type": name, "summary": t.summary} for name, t in types.items()])
        return
    width = max(map(len, types))
    for name, connector in types.items():
        typer.echo(f"{name:<{width}}  {connector.summary}")


def show(
    name: Annotated[str, typer.Argument(metavar="TYPE", help="A destination type.")], as_json: Json = False
) -> None:
    """Show what a destination type does, its settings, what it makes of events by default, and an example."""
    from router.destinations.default_map import default_map_of
    from router.destinations.describe import describe

    types = dict(destination_types())
    if ":" in name:
        types[name] = _own(name)
    if name not in types:
        hint = nearest(name, types)
        known = f"did you mean {hint}?" if hint else f"one of {', '.join(types)}"
        raise UsageError(f"expected a destination type, got {name} ({known})")
    description = describe(types[name])
    default = default_map_of(types[name])
    if as_json:
        report.current().answer(description | {"default_map": default and _as_json(default)})
    else:
        typer.echo(_text(types[name], description, default))


def _own(name: str) -> type[Connector]:
    from router.destinations.registry import own_type

    try:
        return own_type(name, [Path.cwd(), FOLDER.absolute()])
    except ValueError as error:
        raise UsageError(str(error)) from error


def _as_json(mapped: Mapping[str, Targets | str]) -> dict[str, Any]:
    """Targets as objects; a text says why such events are not sent."""
    return {
        call: targets if isinstance(targets, str) else {target: one._asdict() for target, one in targets.items()}
        for call, targets in mapped.items()
    }


def _text(connector: type[Connector], description: dict[str, Any], mapped: Mapping[str, Targets | str] | None) -> str:
    lines = [f"{connector.type}: {connector.summary}", "", description["about"], "", "Settings:"]
    for setting in description["settings"]:
        default = "required" if setting["required"] else f"default {setting['default']}"
        lines += [f"  {setting['name']}: {setting['type']}, {default}"]
        lines += [f"      {setting['description']}"] if setting["description"] else []
    names = ", ".join(description["integrations"])
    lines += ["", f"Names in an event's integrations object: {names or 'its own name only'}"]
    lines += [*traits(description), "", *_default(mapped), "", "Example:", "", description["example"]]
    return "\n".join(lines)


def _default(mapped: Mapping[str, Targets | str] | None) -> list[str]:
    """The default map as a topology would have it."""
    from router.destinations.default_map import lines

    if mapped is None:
        return ["By default, events go out whole, as they lie in the destination's topic."]
    return ["What it makes of events by default, traced with the settings of the example:", "", "map:", *lines(mapped)]


_RESENT = {
    "none": "not recognised: where its answer was lost it may arrive twice",
    "upsert": "written over the first: nothing changes",
    "message_id": "recognised by its messageId",
}
_MAPS = {
    "no": "change nothing",
    "calls": "switch call types and events off",
    "items": "change what is sent, and switch call types and events off",
}
_ORDERS = {"profile": "of each profile, which the partner needs", "none": "none is needed"}


def traits(description: dict[str, Any]) -> list[str]:
    """What the partner is like, a line each."""
    limits, resent = description["limits"], description["idempotency"]
    lines = [
        f"Call types: {', '.join(description['types'])}",
        f"Events a request can carry: {limits['count']}, of {limits['request_bytes']} bytes together",
        f"Order: {_ORDERS[description['order']]}",
        f"An event sent again is {_RESENT.get(resent, f'recognised by a key ({resent})')}",
        f"A map in the topology can {_MAPS[description['maps']]}",
        f"Credentials can be checked without an event: {'yes' if description['probe'] else 'no'}",
    ]
    if limits["event_bytes"]:
        lines.append(f"Largest event: {limits['event_bytes']} bytes")
    if limits["age"]:
        collected = f"Events are collected for {limits['age']:g} seconds, at most {limits['batch']}"
        lines.append(f"{collected}, unless delivery.batch says otherwise")
    if limits["rate"]:
        lines.append(f"Events a second, unless delivery.rate says otherwise: {limits['rate']:g}")
    return lines
