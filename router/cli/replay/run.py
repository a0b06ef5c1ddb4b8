"""`router replay --to DEST`: begin a replay, or count what it would do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from router.cli import report
from router.cli.options import Json, TopologyOption, with_run_options
from router.cli.replay.options import as_dict, duration, lines, replays_of
from router.cli.replay.work import work
from router.config.options import RunOptions
from router.errors import UsageError
from router.replay.replay_state import ReplayRequest
from router.replay.running import ARCHIVE, ORIGINS, RESOLVED, STORED, Replays, check_texts, count, start, usual_rate

_MOST_NAMES = 20


@with_run_options("bootstrap", "kafka", "env_file")
def command(
    context: typer.Context,
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    to: Annotated[
        list[str], typer.Option("--to", metavar="DEST...", help="Destinations that get the events, and no others.")
    ] = [],  # noqa: B006
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Routed at or after this time, or an age such as 1h.")
    ] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Routed before this time.")] = "now",
    event: Annotated[
        list[str], typer.Option("--event", metavar="EVENT", help="Of this name (also of a page or screen); repeatable.")
    ] = [],  # noqa: B006
    but: Annotated[list[str], typer.Option("--except", metavar="EVENT", help="Not of this name; repeatable.")] = [],  # noqa: B006
    source: Annotated[list[str], typer.Option("--source", metavar="SOURCE", help="Of this source; repeatable.")] = [],  # noqa: B006
    user: Annotated[
        list[str],
        typer.Option("--user", metavar="ID", help="Of this user id, anonymous id or profile id; repeatable."),
    ] = [],  # noqa: B006
    where: Annotated[str, typer.Option("--where", metavar="FQL", help="Events for which this condition holds.")] = "",
    failed_only: Annotated[
        bool, typer.Option("--failed-only", help="Only those that the destination has as dead letters, not redriven.")
    ] = False,
    origin: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="ORIGIN",
            help="events.resolved; events.blocked or events.invalid, through today's plan; archive:PATH (or a URL, or"
            " the name of a destination of that type).",
        ),
    ] = RESOLVED,
    rate: Annotated[
        int | None,
        typer.Option("--rate", min=1, help="Events a second at most; default: half of the destination's own rate."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be sent.")] = False,
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Send events that were routed before to chosen destinations once more, through today's filters and mapping.

    messageId, times and idempotency key stay; live events go first. Interrupted, even by kill -9, a replay goes on
    with `router replay resume ID`, and nothing is sent twice. `list`, `show`, `stop` and `resume` take it from there.
    """
    if context.invoked_subcommand is not None:
        return
    request = _request(to, since, until, event, but, source, user, where, origin, rate, failed_only=failed_only)
    replays = replays_of(topology, options, plans=origin in STORED)
    replays.require_destinations(request.to)
    request = request.model_copy(update={"rate": rate or usual_rate(replays, request.to)})
    if dry_run:
        _count(replays, request, as_json=as_json)
        return
    replays.require_topics(request.to)
    work(replays, start(replays, request), as_json=as_json)


def _request(
    to: list[str], since: str, until: str, event: list[str], but: list[str], source: list[str], user: list[str],
    where: str, origin: str, rate: int | None, *, failed_only: bool,
) -> ReplayRequest:  # fmt: skip
    if origin.startswith(ARCHIVE):
        origin = _resolved_place(origin)
    elif origin not in ORIGINS:
        raise UsageError(f"--from: expected {', '.join(ORIGINS)} or archive:PATH, got {origin}")
    return check_texts(
        tuple(dict.fromkeys(to)), since, until, origin, events=tuple(event), except_=tuple(but), sources=tuple(source),
        users=tuple(user), where=where, failed_only=failed_only, rate=rate,
    )  # fmt: skip


def _resolved_place(origin: str) -> str:
    """With an absolute path, so that a resume may run elsewhere."""
    place = origin.removeprefix(ARCHIVE)
    if not place:
        raise UsageError("--from: expected archive:PATH, got no path")
    return f"{ARCHIVE}{Path(place).absolute()}" if Path(place).is_dir() else origin


def _count(replays: Replays, request: ReplayRequest, *, as_json: bool) -> None:
    """The dry run."""
    state, events = count(replays, request)
    most = max(state.replayed.values(), default=0)
    seconds = most / request.rate if request.rate else None
    if as_json:
        answer = as_dict(state, 1.0) | {"dry_run": True, "by_event": dict(events.most_common()), "seconds": seconds}
        for name in ("id", "status", "share", "started", "updated"):
            del answer[name]
        report.current().answer(answer)
        return
    typer.echo("\n".join([
        f"{report.counted(state.selected, 'event')} selected of {state.read} read",
        *(f"  {number} {name}" for name, number in events.most_common(_MOST_NAMES)),
        *([f"  and {len(events) - _MOST_NAMES} names more"] if len(events) > _MOST_NAMES else []),
        *lines(state, verb="would be replayed"),
        f"at {request.rate} a second this takes {duration(seconds)}" if seconds is not None
        else "as fast as the destination takes them: set --rate for less",
    ]))  # fmt: skip
