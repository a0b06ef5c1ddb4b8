"""What the commands of `router replay` share: the topology, its broker, its replays, and how one is shown."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import typer

from router.agents.table import REASONS
from router.cli.loading import load, named_cluster, only_topology, require_broker
from router.cli.report import counted
from router.config.loader import Loaded
from router.config.models import is_of_another
from router.config.options import RunOptions
from router.config.topics import topics_of
from router.document import nearest
from router.embedded.broker import recognised
from router.errors import RouterError, UsageError
from router.events.times import iso
from router.events.topics import Topics
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.replay.replay import SKIPPED
from router.replay.replay_log import ReplayLog
from router.replay.replay_state import Gap, ReplayState

WORDS = REASONS | SKIPPED
QUIET_MS = 60_000  # a replay that has written nothing for so long waits, or is no longer there


@dataclass(frozen=True)
class Replays:
    """A topology, and where its replays are."""

    cluster: Cluster
    loaded: Loaded
    topics: Topics

    @classmethod
    def of(cls, topology: list[Path], options: RunOptions, *, plans: bool = False) -> Replays:
        """`plans`: the tracking plans will be asked too. Raises UsageError without a broker, RouterError."""
        require_broker(options)
        loaded = load(topology or only_topology(), options, plans=plans)
        return cls(recognised(named_cluster(options)), loaded, topics_of(loaded.topology))

    @cached_property
    def log(self) -> ReplayLog:
        return ReplayLog(self.cluster, self.topics.replays)

    def require_destinations(self, names: Sequence[str]) -> None:
        """Raises UsageError where none is named, RouterError for one that the topology does not have."""
        if not names:
            raise UsageError("expected --to DEST…: the destinations that get the events")
        for name in names:
            if name not in self.loaded.topology.destinations:
                hint = nearest(name, self.loaded.topology.destinations)
                did_you_mean = f" (did you mean {hint}?)" if hint else ""
                raise RouterError(f"--to: expected a destination of {self.topics.name}, got {name}{did_you_mean}")
            if is_of_another(self.loaded.topology.destinations[name].labels, self.loaded.topology.environment):
                raise RouterError(f"--to: {name} is of another environment than the topology: nothing is sent to it")

    def require_topics(self, destinations: Sequence[str]) -> None:
        """Raises RouterError for a topic that is not there, and for a destination that nobody may deliver to."""
        there = Admin(self.cluster).topics()
        for topic in (self.topics.replays, *map(self.topics.destination, destinations)):
            if topic not in there:
                raise RouterError(
                    f"expected the topic {topic} at {self.cluster.bootstrap}, got none: see router topics apply"
                )


def now_ms() -> int:
    return int(time.time() * 1000)


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
