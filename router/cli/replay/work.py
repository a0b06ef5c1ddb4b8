"""Runs a replay: the one that begins, or the one that goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from threading import Event

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

from router.cli import report
from router.cli.replay.options import Replays, as_dict, echo, lines
from router.destinations.archive import ArchiveSettings
from router.embedded.capacity import capacity_of, destination_topics
from router.errors import Fenced, RouterError
from router.identity import IdentityRules
from router.kafka.admin import Admin
from router.process.signals import stop_on_signals
from router.replay.archive_source import ArchiveReader, ArchiveSource
from router.replay.dead_letters import ends, letters
from router.replay.redrive import Pace
from router.replay.redrive_log import RedriveLog
from router.replay.redrive_writer import open_writer
from router.replay.replay import Replay, ReplayOutput, ReplayRules
from router.replay.replay_source import MissingRange, ReplaySource, TopicSource, share
from router.replay.replay_state import Gap, ReplaySelection, ReplayState
from router.replay.room import DestinationRoom, most_waiting
from router.replay.routed_rules import RoutedRules
from router.replay.stored_rules import Identities, StoredRules

ARCHIVE = "archive:"
TAKING_OVER_SECONDS = 20.0
RESOLVED, BLOCKED, INVALID = "events.resolved", "events.blocked", "events.invalid"
STORED = (BLOCKED, INVALID)


def topic_of(replays: Replays, state: ReplayState) -> str:
    """Empty for an archive."""
    origin = state.request.origin
    return "" if origin.startswith(ARCHIVE) else f"{replays.topics.prefix}{origin}"


def begin(replays: Replays, state: ReplayState) -> None:
    """Fix what there is to read, as of now, and note what is no longer there. Raises RouterError."""
    request, topic = state.request, topic_of(replays, state)
    if not topic:
        state.extent = _archive(replays, state).extent
        return
    if request.origin == RESOLVED and not replays.loaded.topology.topics.resolved:
        raise RouterError(
            "the topology has `topics: {resolved: false}`: what was routed is not kept; see --from archive:PATH"
        )
    source = TopicSource.between(replays.cluster, topic, request.since, request.until)
    state.extent, state.topic_id = source.extent, Admin(replays.cluster).topic_ids([topic]).get(topic, "")
    _note(state, source.missing_before(request.since))


def source_of(replays: Replays, state: ReplayState) -> ReplaySource:
    topic = topic_of(replays, state)
    return TopicSource(replays.cluster, topic, state.extent) if topic else _archive(replays, state)


def _archive(replays: Replays, state: ReplayState) -> ArchiveSource:
    """Of a folder or URL, or of a destination of the type `archive` by its name."""
    place, options = state.request.origin.removeprefix(ARCHIVE), {}
    settings = replays.loaded.connector_settings.get(place)
    if isinstance(settings, ArchiveSettings):
        secrets = {name: value.get_secret_value() for name, value in settings.secret_options.items()}
        place, options = settings.url, {**settings.options, **secrets}
    reader = ArchiveReader.at(place, options)
    return ArchiveSource(reader, state.request.since, state.request.until, state.extent or None)


def rules_of(
    replays: Replays, state: ReplayState, stack: ExitStack, *, look_only: bool = False
) -> tuple[ReplayRules, ReplaySelection]:
    """What today's topology makes of its events, and which it is about. Raises RouterError."""
    request, loaded = state.request, replays.loaded
    failed = {name: _failed(replays, name, request.since) for name in request.to} if request.failed_only else None
    selection = ReplaySelection(request, failed)
    if request.origin not in STORED:
        return RoutedRules(loaded, request.to, hashed=request.origin != RESOLVED), selection
    identity = IdentityRules.of(loaded.topology.identity)
    known = stack.enter_context(Identities(replays.cluster, replays.topics, identity, look_only=look_only))
    blocked = request.origin == BLOCKED
    return (
        StoredRules(loaded, replays.topics, request.to, known.replica, known.append, blocked=blocked), selection
    )  # fmt: skip


def _failed(replays: Replays, destination: str, since: int) -> frozenset[tuple[str, str]]:
    """Source and messageId of its dead letters that were not redriven."""
    topic = replays.topics.dead(destination)
    redriven = RedriveLog(replays.cluster, replays.topics.redrives, {destination: topic}).read()
    found = letters(replays.cluster, destination, topic, ends(Admin(replays.cluster), topic))
    return frozenset((one.source, one.message_id) for one in found if one.time >= since and one.place not in redriven)


def _note(state: ReplayState, missing: list[MissingRange]) -> None:
    state.gaps += [Gap(part=one.part, since=one.since, until=one.until, messages=one.messages) for one in missing]


def check_position(replays: Replays, state: ReplayState) -> None:
    """Note what retention has taken meanwhile. Raises RouterError where the topic was made anew: its offsets mean
    something else now.
    """
    topic = topic_of(replays, state)
    if topic and Admin(replays.cluster).topic_ids([topic]).get(topic, "") != state.topic_id:
        raise RouterError(f"{topic} is not the one that {state.id} was reading: begin a new replay")
    _note(state, source_of(replays, state).missing(state.position))


def share_of(state: ReplayState) -> float:
    """How much of it is dealt with, from 0 to 1."""
    if state.status == "done":
        return 1.0
    if "files" in state.extent:
        return float(state.position["at"][2] / state.extent["files"]) if state.position else 0.0
    return share(state.extent, state.position)


def work(replays: Replays, state: ReplayState, *, as_json: bool) -> None:
    """To the end, or until a signal or another command stops it. Raises Fenced, RouterError."""
    stop = Event()
    with ExitStack() as stack:
        stack.enter_context(stop_on_signals(stop))
        loaded = replays.loaded
        _say_if_off(replays, state)
        capacity = stack.enter_context(capacity_of(replays.cluster, loaded.topology, destination_topics))
        writer = open_writer(replays.cluster, replays.topics.replay_transactions(state.id), capacity)
        stack.enter_context(closing(writer))
        if replays.log.one(state.id).owner != state.owner:
            raise _ended_by_another(replays, state)
        source = source_of(replays, state)
        rules, selection = rules_of(replays, state, stack)
        most = most_waiting(loaded.topology, state.request.to)
        room = stack.enter_context(DestinationRoom(replays.cluster, replays.topics, most, stop.is_set, _say))
        alone = None if replays.cluster.capabilities.transactions else _alone(replays)
        output = ReplayOutput(writer, replays.log, room, alone)
        pace = Pace(state.request.rate, time.monotonic, stop.wait)
        one = Replay(replays.topics, state, selection, rules, pace, output, stop.is_set)
        typer.echo(f"{state.id}: {_size_in_words(state)} to read", err=True)
        progress = stack.enter_context(_progress(state))
        try:
            one.run(source.candidates(state.position), progress)
        except Fenced as error:
            raise _ended_by_another(replays, state) from error
    if as_json:
        report.current().answer(as_dict(state, share_of(state)))
    else:
        echo(lines(state, verb="replayed"))
    if state.status == "stopped":
        raise RouterError(f"stopped before the end: router replay resume {state.id} goes on")


def _say_if_off(replays: Replays, state: ReplayState) -> None:
    for name in state.request.to:
        if name not in replays.loaded.topology.enabled_destinations:
            _say(
                f"{name} is switched off: what is sent waits until it is on, or until"
                f" `router deliver TOPOLOGY --destination {name} --switched-off` runs"
            )


def _alone(replays: Replays) -> Callable[[ReplayState], bool]:
    return lambda state: replays.log.one(state.id).owner == state.owner


def _ended_by_another(replays: Replays, state: ReplayState) -> RouterError:
    """Whoever ends it here writes why only afterwards."""
    deadline = time.monotonic() + TAKING_OVER_SECONDS
    now = replays.log.one(state.id)
    while now.owner == state.owner and time.monotonic() < deadline:
        time.sleep(0.1)
        now = replays.log.one(state.id)
    if now.status == "stopped":
        return RouterError(f"{state.id} was stopped by another command: router replay resume {state.id} goes on")
    return Fenced(f"another process goes on with {state.id}; nothing is sent twice")


def _size_in_words(state: ReplayState) -> str:
    size = _size(state)
    return report.counted(state.extent["files"], "file") if size is None else report.counted(size, "message")


def _size(state: ReplayState) -> int | None:
    """Messages left to read; None where only files are known."""
    if "files" in state.extent:
        return None
    return int(sum(end - state.position.get(part, start) for part, (start, end) in state.extent.items()))


def _say(text: str) -> None:
    typer.echo(f"note: {text}", err=True)


@contextmanager
def _progress(state: ReplayState) -> Iterator[Callable[[int], object]]:
    """Messages dealt with, on stderr, on a terminal only."""
    console = Console(stderr=True)
    columns = (TextColumn(state.id), BarColumn(), MofNCompleteColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=_size(state))
        yield lambda count: progress.advance(task, count)
