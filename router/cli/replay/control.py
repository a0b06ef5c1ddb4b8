"""`router replay stop` and `resume`: end a replay for now, wherever it runs; go on where it is."""

from __future__ import annotations

from typing import Annotated

import typer

from router.cli import report
from router.cli.options import Json, TopologyOption, with_run_options
from router.cli.replay.listing import ReplayId
from router.cli.replay.options import as_dict, replays_of
from router.cli.replay.work import work
from router.config.options import RunOptions
from router.replay.running import STORED, share_of, take_over


@with_run_options("bootstrap", "kafka", "env_file")
def stop_command(
    replay: ReplayId,
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Stop a replay, wherever it runs, also one that was interrupted. What it has written is delivered."""
    replays = replays_of(topology, options)
    state = take_over(replays, replay, "stopped")
    if as_json:
        report.current().answer(as_dict(state, share_of(state)))
    else:
        sent = report.counted(sum(state.replayed.values()), "event")
        typer.echo(f"{replay} is stopped at {share_of(state):.0%}, after {sent}: router replay resume {replay} goes on")


@with_run_options("bootstrap", "kafka", "env_file")
def resume_command(
    replay: ReplayId,
    topology: TopologyOption = [],  # noqa: B006
    rate: Annotated[
        int | None, typer.Option("--rate", min=1, help="Events a second at most from now on; default: as before.")
    ] = None,
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Go on with a replay that was stopped or interrupted, where it is. Nothing is sent twice."""
    replays = replays_of(topology, options)
    before = replays.log.one(replay)
    if before.request.origin in STORED:
        replays = replays_of(topology, options, plans=True)
    replays.require_destinations(before.request.to)
    replays.require_topics(before.request.to)
    state = take_over(replays, replay, "running")
    if rate is not None:
        state.request = state.request.model_copy(update={"rate": rate})
    work(replays, state, as_json=as_json)
