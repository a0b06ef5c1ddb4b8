"""What the commands of `router replay` share: the topology, its broker, its replays, and how one is shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer

from router.agents.table import REASONS
from router.cli.loading import load, named_cluster, only_topology, require_broker
from router.cli.report import counted
from router.config.options import RunOptions
from router.config.topics import topics_of
from router.embedded.broker import recognised
from router.events.times import iso
from router.replay.replay import SKIPPED
from router.replay.replay_state import Gap, ReplayState
from router.replay.running import Replays, now_ms

WORDS = REASONS | SKIPPED
QUIET_MS = 60_000  # a replay that has written nothing for so long waits, or is no longer there


def replays_of(topology: list[Path], options: RunOptions, *, plans: bool = False) -> Replays:
    """`plans`: the tracking plans will be asked too. Raises UsageError without a broker, RouterError."""
    require_broker(options)
    loaded = load(topology or only_topology(), options, plans=plans)
    return Replays(recognised(named_cluster(options)), loaded, topics_of(loaded.topology))


def status_of(state: ReplayState, share: float) -> str:
    """In words: whether it runs, and how far it is."""
    if state.status == "done":
        return "done"
    words = f"{state.status}, {share:.0%}"
    quiet = now_ms() - state.updated
    if state.status == "running" and quiet > QUIET_MS:
        words += f", nothing written for {duration(quiet / 1000)}: it waits for delivery, or was interrupted"
    return words


def duration(seconds: float) -> str:
    """As people say it: 12 s, 0:03:20."""
    return f"{seconds:.0f} s" if seconds < 100 else str(timedelta(seconds=round(seconds)))


def chosen_words(state: ReplayState) -> str:
    """The options that chose its events, as on the command line."""
    request = state.request
    options = [
        *(("--event", each) for each in request.events),
        *(("--except", each) for each in request.except_),
        *(("--source", each) for each in request.sources),
        *(("--user", each) for each in request.users),
        *((("--where", request.where),) if request.where else ()),
        *((("--failed-only", ""),) if request.failed_only else ()),
        *((("--rate", str(request.rate)),) if request.rate else ()),
    ]
    return " ".join(f"{name} {value}".strip() for name, value in options)


def as_dict(state: ReplayState, share: float) -> dict[str, Any]:
    """For `--json`."""
    request = state.request
    return {
        "id": state.id,
        "status": state.status,
        "share": round(share, 4),
        "to": list(request.to),
        "from": request.origin,
        "since": iso(request.since),
        "until": iso(request.until),
        "events": list(request.events),
        "except": list(request.except_),
        "sources": list(request.sources),
        "users": list(request.users),
        "where": request.where,
        "failed_only": request.failed_only,
        "rate": request.rate,
        "started": iso(state.started),
        "updated": iso(state.updated),
        "read": state.read,
        "selected": state.selected,
        "destinations": [
            {"destination": name, "replayed": state.replayed.get(name, 0), "skipped": state.skipped.get(name, {})}
            for name in request.to
        ],
        "gaps": [gap.model_dump() for gap in state.gaps],
    }


def lines(state: ReplayState, *, verb: str) -> list[str]:
    """What each destination got, what it did not get and why, and what is no longer there."""
    found = []
    for name in state.request.to:
        found.append(f"{name}: {counted(state.replayed.get(name, 0), 'event')} {verb}")
        skipped = sorted(state.skipped.get(name, {}).items(), key=lambda one: -one[1])
        found += [f"  {count} not: {WORDS.get(reason, reason)}" for reason, count in skipped]
    return [*found, *(f"gap: {gap_words(state.request.origin, gap)}" for gap in state.gaps)]


def gap_words(origin: str, gap: Gap) -> str:
    if gap.messages is not None:
        return f"{gap.messages} messages of {origin} [{gap.part}] are no longer there: retention took them"
    if gap.since is None or gap.until is None:
        return f"{gap.part} is no longer there"
    return (
        f"{origin} [{gap.part}] begins at {iso(gap.until)}: what was there since {iso(gap.since)}"
        " is gone, retention took it"
    )


def echo(found: Sequence[str]) -> None:
    typer.echo("\n".join(found))
