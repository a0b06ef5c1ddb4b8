"""`router replay stop` and `resume`: end a replay for now, wherever it runs; go on where it is."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import Annotated

import typer

from router.cli import report
from router.cli.options import Json, TopologyOption, with_run_options
from router.cli.replay.listing import ReplayId
from router.cli.replay.options import Replays, as_dict, now_ms
from router.cli.replay.work import STORED, check_position, share_of, work
from router.config.options import RunOptions
from router.errors import Fenced, RouterError
from router.replay.redrive_writer import open_writer
from router.replay.replay_state import ReplayState, Status


@with_run_options("bootstrap", "kafka", "env_file")
def stop_command(
    replay: ReplayId,
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Stop a replay, wherever it runs, also one that was interrupted. What it has written is delivered."""
    replays = Replays.of(topology, options)
    state = _take_over(replays, replay, "stopped")
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
    replays = Replays.of(topology, options)
    before = replays.log.one(replay)
    if before.request.origin in STORED:
        replays = Replays.of(topology, options, plans=True)
    replays.require_destinations(before.request.to)
    replays.require_topics(before.request.to)
    state = _take_over(replays, replay, "running")
    if rate is not None:
        state.request = state.request.model_copy(update={"rate": rate})
    work(replays, state, as_json=as_json)


def _take_over(replays: Replays, replay: str, status: Status) -> ReplayState:
    """End the process that runs it, and whatever that has not committed; then it is ours. Raises RouterError."""
    if replays.log.one(replay).status == "done":
        raise RouterError(f"{replay} is done: there is nothing to {'stop' if status == 'stopped' else 'go on with'}")
    with closing(open_writer(replays.cluster, replays.topics.replay_transactions(replay), None)) as writer:
        state = replays.log.one(replay)
        if state.status == "done":
            raise RouterError(f"{replay} has just ended")
        if status == "running":
            check_position(replays, state)
        state.status, state.owner, state.updated = status, uuid.uuid4().hex, now_ms()
        try:
            writer.write([], [replays.log.record(state)])
        except Fenced as error:
            raise Fenced(
                f"another command stops or resumes {replay} at this moment: router replay show {replay}"
            ) from error
    return state
