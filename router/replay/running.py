"""What begins, counts, runs, stops and goes on with a replay, whoever asks: a command or the console.

A replay's state is in `<topology>.replays` alone: kill -9 leaves it where its last batch was written, and `take_over`
goes on from there.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from threading import Event

from router.config.loader import Loaded
from router.config.models import is_of_another
from router.destinations.archive import ArchiveSettings
from router.document import nearest
from router.embedded.capacity import capacity_of, destination_topics
from router.errors import Fenced, RouterError, UsageError
from router.events.times import iso
from router.events.topics import Topics
from router.identity import IdentityRules
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.replay.archive_source import ArchiveReader, ArchiveSource
from router.replay.dead_letters import ends, letters
from router.replay.redrive import Pace
from router.replay.redrive_log import RedriveLog
from router.replay.redrive_writer import open_writer
from router.replay.replay import Replay, ReplayOutput, ReplayRules
from router.replay.replay_log import ReplayLog
from router.replay.replay_source import MissingRange, ReplaySource, TopicSource, share
from router.replay.replay_state import Gap, ReplayRequest, ReplaySelection, ReplayState, Status
from router.replay.room import DestinationRoom, most_waiting
from router.replay.routed_rules import RoutedRules
from router.replay.selection import moment
from router.replay.stored_rules import Identities, StoredRules

ARCHIVE = "archive:"
TAKING_OVER_SECONDS = 20.0
RESOLVED, BLOCKED, INVALID = "events.resolved", "events.blocked", "events.invalid"
STORED = (BLOCKED, INVALID)
ORIGINS = (RESOLVED, *STORED)  # topics; an archive's place is one too
"""Origins whose events go through today's tracking plans."""


@dataclass(frozen=True)
class Replays:
    """A topology, and where its replays are."""

    cluster: Cluster
    loaded: Loaded
    topics: Topics

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


def check_texts(
    to: tuple[str, ...], since: str, until: str, origin: str, *, events: tuple[str, ...] = (),
    except_: tuple[str, ...] = (), sources: tuple[str, ...] = (), users: tuple[str, ...] = (), where: str = "",
    failed_only: bool = False, rate: int | None = None,
) -> ReplayRequest:  # fmt: skip
    """A request from what people have typed. Raises UsageError."""
    now = now_ms()
    begin, end = moment(since, "--since", now), moment(until, "--until", now)
    if begin is None:
        raise UsageError("expected --since TIME: a time such as 2026-01-31T12:00:00Z, or an age such as 1h")
    end = now if end is None else end
    if begin >= end:
        raise UsageError(f"expected --since before --until, got {since} and {until}")
    request = ReplayRequest(
        to=to, origin=origin, since=begin, until=min(end, now), events=events, except_=except_, sources=sources,
        users=users, where=where, failed_only=failed_only, rate=rate,
    )  # fmt: skip
    request.query()
    return request


def usual_rate(replays: Replays, destinations: tuple[str, ...]) -> int | None:
    """Half of what the slowest of them takes: the rest is for live events, and for what is tried again."""
    configs = [replays.loaded.topology.destinations[name] for name in destinations]
    rates = [config.delivery.rate for config in configs if config.delivery.rate]
    return max(1, int(min(rates) / 2)) if rates else None


def _new(request: ReplayRequest, replay: str) -> ReplayState:
    now = now_ms()
    return ReplayState(id=replay, request=request, owner=uuid.uuid4().hex, started=now, updated=now)


def start(replays: Replays, request: ReplayRequest) -> ReplayState:
    """One after the other, so that two of the same range cannot begin at once. Raises RouterError."""
    with ExitStack() as stack:
        writer = open_writer(replays.cluster, replays.topics.replay_starts, None)
        stack.enter_context(closing(writer))
        for other in replays.log.read().values():
            if other.status == "running" and other.request.overlaps(request):
                raise RouterError(
                    f"the replay {other.id} to {', '.join(other.request.to)} from {iso(other.request.since)} to"
                    f" {iso(other.request.until)} has some of these events and is not done: go on with it"
                    f" (router replay resume {other.id}) or end it first (router replay stop {other.id})"
                )
        state = _new(request, replays.log.next_id())
        begin(replays, state)
        try:
            writer.write([], [replays.log.record(state)])
        except Fenced as error:
            raise Fenced("another replay of this topology begins at this moment: look at router replay list") from error
    return state


def count(replays: Replays, request: ReplayRequest) -> tuple[ReplayState, Counter[str]]:
    """The dry run: what would be replayed, and how many events of each name. Nothing is written. Raises RouterError."""
    state = _new(request, "")
    begin(replays, state)
    with ExitStack() as stack:
        rules, selection = rules_of(replays, state, stack, look_only=True)
        pace = Pace(None, float, lambda seconds: None)
        one = Replay(replays.topics, state, selection, rules, pace, None, lambda: False)
        one.run(source_of(replays, state).candidates({}))
    return state, one.events


def take_over(replays: Replays, replay: str, status: Status) -> ReplayState:
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


def run(
    replays: Replays, state: ReplayState, stop: Event, say: Callable[[str], object],
    progress: Callable[[int], object] = int,
) -> ReplayState:  # fmt: skip
    """To the end, or until `stop` is set or somebody else stops it; `say` gets notes. Raises Fenced, RouterError."""
    with ExitStack() as stack:
        loaded = replays.loaded
        _say_if_off(replays, state, say)
        capacity = stack.enter_context(capacity_of(replays.cluster, loaded.topology, destination_topics))
        writer = open_writer(replays.cluster, replays.topics.replay_transactions(state.id), capacity)
        stack.enter_context(closing(writer))
        if replays.log.one(state.id).owner != state.owner:
            raise _ended_by_another(replays, state)
        source = source_of(replays, state)
        rules, selection = rules_of(replays, state, stack)
        most = most_waiting(loaded.topology, state.request.to)
        room = stack.enter_context(DestinationRoom(replays.cluster, replays.topics, most, stop.is_set, say))
        alone = None if replays.cluster.capabilities.transactions else _alone(replays)
        output = ReplayOutput(writer, replays.log, room, alone)
        pace = Pace(state.request.rate, time.monotonic, stop.wait)
        one = Replay(replays.topics, state, selection, rules, pace, output, stop.is_set)
        try:
            return one.run(source.candidates(state.position), progress)
        except Fenced as error:
            raise _ended_by_another(replays, state) from error


def _say_if_off(replays: Replays, state: ReplayState, say: Callable[[str], object]) -> None:
    for name in state.request.to:
        if name not in replays.loaded.topology.enabled_destinations:
            say(
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


def left_to_read(state: ReplayState) -> int | None:
    """Messages left to read; None where only files are known."""
    if "files" in state.extent:
        return None
    return int(sum(end - state.position.get(part, start) for part, (start, end) in state.extent.items()))


def share_of(state: ReplayState) -> float:
    """How much of it is dealt with, from 0 to 1."""
    if state.status == "done":
        return 1.0
    if "files" in state.extent:
        return float(state.position["at"][2] / state.extent["files"]) if state.position else 0.0
    return share(state.extent, state.position)


def check_position(replays: Replays, state: ReplayState) -> None:
    """Note what retention has taken meanwhile. Raises RouterError where the topic was made anew: its offsets mean
    something else now.
    """
    topic = topic_of(replays, state)
    if topic and Admin(replays.cluster).topic_ids([topic]).get(topic, "") != state.topic_id:
        raise RouterError(f"{topic} is not the one that {state.id} was reading: begin a new replay")
    _note(state, source_of(replays, state).missing(state.position))


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


def topic_of(replays: Replays, state: ReplayState) -> str:
    """Empty for an archive."""
    origin = state.request.origin
    return "" if origin.startswith(ARCHIVE) else f"{replays.topics.prefix}{origin}"
