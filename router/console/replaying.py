"""Actions on replays, as `router replay` takes them: count, begin, stop, go on. One that runs here is a job.

Its state is in `<topology>.replays`: kill -9 of the console leaves it where its last batch was written, to be gone on
with here or by `router replay resume`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from router.config.loader import Loaded
from router.console.audit import Deed
from router.console.jobs import Job
from router.console.rates import given_rate
from router.console.sight import Sight
from router.console.states import counted
from router.console.text import duration, visible
from router.destinations.archive import ArchiveSettings
from router.embedded.broker import recognised
from router.errors import UsageError
from router.replay.replay_state import ReplayRequest, ReplayState
from router.replay.running import (
    ARCHIVE,
    ORIGINS,
    RESOLVED,
    STORED,
    Replays,
    check_texts,
    count,
    left_to_read,
    run,
    start,
    take_over,
    usual_rate,
)

KIND = "replay"
FASTEST = 1_000_000
MOST_NAMES = 9
_OPTION = re.compile(r"--(since|until|where)\b")
_TEXTS = ("since", "until", "origin", "event", "but", "source", "user", "where", "failed_only", "rate")


def replays_of(sight: Sight, origin: str) -> Replays:
    """Of the console's topology; with today's tracking plans where they are asked."""
    loaded = sight.with_plans(sight.loaded.topology.sources) if origin in STORED else sight.loaded
    return Replays(recognised(sight.cluster), loaded, sight.topics)


def origins(loaded: Loaded) -> list[str]:
    """Where a replay may take its events from: topics, and archives that the topology names.

    Archives elsewhere are for the command: whoever may use the console must not make it read any place there is.
    """
    archives = [name for name, settings in loaded.connector_settings.items() if isinstance(settings, ArchiveSettings)]
    return [*ORIGINS, *(f"{ARCHIVE}{name}" for name in archives)]


def replay(sight: Sight, deed: Deed, values: Mapping[str, Any]) -> str | None:
    """To the destinations that are the target. `stay: dry` counts; only what its author has just counted is begun.

    None: it goes on as a job.
    """
    texts = {name: _text(values.get(name)) for name in _TEXTS}
    to, origin = tuple(deed.target.split()), texts["origin"] or RESOLVED
    if origin not in (known := origins(sight.loaded)):
        raise UsageError(f"origin: expected {', '.join(known)}, got {origin[:40]!r}")
    replays = replays_of(sight, origin)
    replays.require_destinations(to)
    request = _request(replays, to, texts, origin)
    asked = json.dumps([deed.target, texts], sort_keys=True)
    if values.get("stay") == "dry":
        says = _counted(request, *count(replays, request))
        sight.tried[deed.who] = asked
        return says
    if sight.tried.get(deed.who) != asked:
        raise UsageError("expected a dry run with these same values before it is begun")
    replays.require_topics(to)
    state = start(replays, request)
    _go_on(sight, deed, replays, state)
    return None


def stop_replay(sight: Sight, deed: Deed, _: Mapping[str, Any]) -> str:
    """Wherever it runs. What it has written is delivered."""
    job = sight.jobs.latest(KIND, deed.target)
    if job is not None and job.open:
        sight.jobs.stop(KIND, deed.target)
        return f"{deed.target} stops after what is under way."
    state = take_over(replays_of(sight, RESOLVED), deed.target, "stopped")
    return f"{deed.target} is stopped, after {sum(state.replayed.values()):,} events."


def resume_replay(sight: Sight, deed: Deed, _: Mapping[str, Any]) -> None:
    """From where it is; nothing is sent twice."""
    replays = replays_of(sight, RESOLVED)
    before = replays.log.one(deed.target)
    if before.request.origin in STORED:
        replays = replays_of(sight, before.request.origin)
    replays.require_destinations(before.request.to)
    replays.require_topics(before.request.to)
    _go_on(sight, deed, replays, take_over(replays, deed.target, "running"))


def _request(replays: Replays, to: tuple[str, ...], texts: Mapping[str, str], origin: str) -> ReplayRequest:
    """Raises UsageError with what is wrong in the texts, by the names of the fields."""
    rate = given_rate(texts, FASTEST)
    try:
        return check_texts(
            to, texts["since"], texts["until"] or "now", origin,
            events=_list(texts["event"]), except_=_list(texts["but"]), sources=_list(texts["source"]),
            users=_list(texts["user"]), where=texts["where"], failed_only=bool(texts["failed_only"]),
            rate=usual_rate(replays, to) if rate is None else rate,
        )  # fmt: skip
    except UsageError as error:
        raise UsageError(_OPTION.sub(lambda option: option[1].capitalize(), str(error))) from error


def _text(given: object) -> str:
    """A number is one, 0 too; false is not given."""
    return "" if given is None or given is False else str(given).strip()


def _list(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _counted(request: ReplayRequest, state: ReplayState, names: Mapping[str, int]) -> str:
    most = sorted(names.items(), key=lambda one: -one[1])
    shown = ", ".join(f"{number:,} {visible(name, 60)}" for name, number in most[:MOST_NAMES])
    sent = {name: state.replayed.get(name, 0) for name in request.to}
    left = sum(sum(state.skipped.get(name, {}).values()) for name in request.to)
    to = ", ".join(f"{name} ({count:,})" for name, count in sent.items()) if len(sent) > 1 else request.to[0]
    seconds = max(sent.values()) / request.rate if request.rate else None
    return (
        f"Would send {counted(sum(sent.values()), 'event')} to {to}."
        f" Chosen: {counted(state.selected, 'event')} of {counted(len(names), 'name')}{f': {shown}' * bool(shown)}."
        f"{f' {left:,} are left out by rules.' if left else ''}"
        f"{f' At {request.rate} a second this takes {duration(seconds)}.' if seconds is not None else ''}"
        " What a destination already has, it gets again."
    )


def _go_on(sight: Sight, deed: Deed, replays: Replays, state: ReplayState) -> None:
    def work(job: Job) -> str:
        def say(text: str) -> None:
            job.says = text

        ended = run(replays, state, job.asked_to_stop, say, job.advance)
        sent = sum(ended.replayed.values())
        return f"{state.id} {'is stopped' if ended.status == 'stopped' else 'is done'}: {sent:,} events sent."

    sight.jobs.start(KIND, state.id, deed, work, left_to_read(state))
