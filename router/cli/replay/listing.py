"""`router replay list` and `show`: the replays of a topology, and one of them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from router.cli import report
from router.cli.options import Json, TopologyOption, with_run_options
from router.cli.replay.options import as_dict, chosen_words, echo, lines, replays_of, status_of
from router.cli.screen import console, table
from router.config.options import RunOptions
from router.events.times import iso
from router.replay.running import share_of

ReplayId = Annotated[str, typer.Argument(metavar="ID", help="Of a replay, such as r3; see router replay list.")]


@with_run_options("bootstrap", "kafka", "env_file")
def list_command(topology: TopologyOption = [], as_json: Json = False, *, options: RunOptions) -> None:  # noqa: B006
    """List the replays of a topology, the oldest first."""
    replays = replays_of(topology, options)
    found = replays.log.read().values()
    if as_json:
        report.current().answer([as_dict(state, share_of(state)) for state in found])
        return
    if not found:
        typer.echo("no replays")
        return
    made = table("id", "to", "from", "since", "until", "replayed", "status")
    for state in found:
        request = state.request
        times = iso(request.since), iso(request.until)
        counts = str(sum(state.replayed.values()))
        row = state.id, ", ".join(request.to), request.origin, *times, counts, status_of(state, share_of(state))
        made.add_row(*map(Text, row))
    console().print(made)


@with_run_options("bootstrap", "kafka", "env_file")
def show_command(
    replay: ReplayId,
    topology: TopologyOption = [],  # noqa: B006
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Show one replay: what was asked for, how far it is, what was not sent and why."""
    state = replays_of(topology, options).log.one(replay)
    if as_json:
        report.current().answer(as_dict(state, share_of(state)))
        return
    request = state.request
    echo(
        [
            f"{state.id} {status_of(state, share_of(state))}",
            f"  from {request.origin} {iso(request.since)} to {iso(request.until)} {chosen_words(state)}".rstrip(),
            f"  begun {iso(state.started)}, last written {iso(state.updated)}",
            f"  {state.selected} selected of {report.counted(state.read, 'message')} read",
            *lines(state, verb="replayed"),
        ]
    )
