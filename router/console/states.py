"""States in words and what needs attention first, from counts and health alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

from router.config.models import Topology
from router.console.text import share
from router.insights.schema import DestinationRecord, SourceVolume
from router.process.health import Report
from router.process.snapshot import DestinationRow, Snapshot
from router.status.pages import Look

Tone = Literal["fine", "attention", "trouble", "information", "quiet"]
MARKS: Mapping[Tone, str] = {"fine": "●", "attention": "▲", "trouble": "■", "information": "◆", "quiet": "○"}
SLOW_SECONDS = 10.0  # an event that waits longer at a partner that fails is being retried, not on its way
OLD_SECONDS = 300.0  # a message that waits longer is worth a look
MOST_CONCERNS = 7
LEAST_USUAL, LEAST_RATIO, MOST_RATIO = 100, 0.5, 2.0  # events an hour and shares, as RouterSourceVolumeUnusual has them
FEWEST_ATTEMPTS = 10
_REASONED = ("held back", "cannot open", "paused by")


@dataclass(frozen=True, slots=True)
class StateWord:
    """One of a closed set of words, with its colour's meaning; `why` is the whole sentence, where there is one."""

    word: str
    tone: Tone
    why: str = ""

    @property
    def mark(self) -> str:
        return MARKS[self.tone]


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that needs attention: about what, a sentence, and where to look."""

    tone: Tone
    subject: str
    says: str
    href: str
    link: str

    @property
    def mark(self) -> str:
        return MARKS[self.tone]


class MissedTarget(NamedTuple):
    """A destination that accepted a smaller part of attempts than the topology wants; `when`: as "in the last 1 h"."""

    name: str
    success: float
    target: float
    when: str


def missed_targets(topology: Topology, records: Mapping[str, DestinationRecord], when: str) -> list[MissedTarget]:
    """Of destinations with enough attempts, as the alert has it; the worst first."""
    found = [
        MissedTarget(name, one.success, topology.destinations[name].target, when)
        for name, one in records.items()
        if name in topology.destinations and one.success is not None
        and one.delivered + one.not_delivered > FEWEST_ATTEMPTS
    ]  # fmt: skip
    return sorted((one for one in found if one.success < one.target), key=lambda one: (one.success, one.name))


def counted(count: int, what: str) -> str:
    """`1 event`, `2,400 events`."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def destination_state(row: DestinationRow | None, live: Report, *, enabled: bool = True) -> StateWord:
    """How a destination is."""
    if not enabled:
        return StateWord("switched off", "quiet")
    if row is None or not row.served:
        return StateWord("not delivered here", "attention", "no process on the page delivers to it")
    why = "; ".join(said(row.name, live))
    if "operator" in row.paused:
        return StateWord("paused", "trouble", why)
    if "refused" in row.paused:
        return StateWord("credentials refused", "trouble", why)
    if "down" in row.paused:
        return StateWord("partner down", "trouble", why)
    if row.paused:
        return StateWord("cannot open", "trouble", why)
    if row.retrying or fails(row):
        return StateWord("retrying", "attention", f"answers so far: {_codes(row)}" if row.retries else "")
    if row.pending > 0:
        return StateWord("delivering", "information")
    return StateWord("up to date", "fine")


def fails(row: DestinationRow) -> bool:
    """Whether its events wait because attempts fail: there were failures, and the oldest event waits for long."""
    return bool(row.retries) and row.pending > 0 and (row.oldest_seconds or 0.0) > SLOW_SECONDS


def _codes(row: DestinationRow) -> str:
    return ", ".join(f"{count:,} × {code}" for code, count in row.retries.items())


def source_state(name: str, topology: Topology, seen: Snapshot | None, volume: SourceVolume | None = None) -> StateWord:
    """How a source is, as far as the counts say; `volume` where insights has any."""
    refusal = topology.sources[name].refusal(topology.environment)
    if refusal:
        return StateWord("switched off", "quiet", refusal.replace("_", " "))
    refused = sum(seen.refused.get(name, {}).values()) if seen else 0
    stopped = sum(seen.stopped.get(name, {}).values()) if seen else 0
    if refused or stopped:
        why = f"{refused:,} events refused by the gateway, {stopped:,} invalid, blocked or duplicate"
        return StateWord("some refused", "attention", why)
    if volume is None:
        return StateWord("open", "fine")
    if volume.last_seen is None:
        return StateWord("never seen", "quiet", "no event since the counts began")
    unusual = unusual_volume(volume)
    if unusual:
        return StateWord("off its usual volume" if volume.last_hour else "quiet", "attention", unusual)
    return StateWord("receiving", "fine")


def unusual_volume(volume: SourceVolume) -> str:
    """Why its last whole hour is out of the ordinary, as the alert has it; empty where it is not."""
    usual, ratio = volume.usual_hour, volume.ratio
    if usual is None or ratio is None or usual <= LEAST_USUAL or LEAST_RATIO <= ratio <= MOST_RATIO:
        return ""
    return f"{volume.last_hour:,} events in the last whole hour, usually {usual:,.0f} at this hour"


def said(destination: str, live: Report) -> Iterator[str]:
    """What each process that delivers to it says of why it waits."""
    for name, check in live.checks.items():
        if name.rpartition(" ")[2] == f"deliver.{destination}" and check.why.startswith(_REASONED):
            yield check.why


def concerns(
    look: Look, volumes: Mapping[str, SourceVolume] = MappingProxyType({}), missed: Iterable[MissedTarget] = ()
) -> list[Concern]:
    """What needs attention, the worst first; `volumes` is what insights has counted of sources."""
    seen = look.seen
    found = [
        *_lost(seen),
        *_held_back(look),
        *_processes(look),
        *_failing(seen),
        *_under_target(seen, missed),
        *_dead(seen),
        *_unusual(volumes),
        *_behind(seen),
        *_files(look.live),
    ]
    found += [*_uncounted(seen), *_refused(seen)]
    return found[:MOST_CONCERNS]


def _lost(seen: Snapshot) -> Iterator[Concern]:
    if seen.lost:
        says = f"{counted(seen.lost, 'message')} lost: deleted by the broker before they were read"
        yield Concern("trouble", "The input", says, "/operations#topics", "Topics and retention")


def _uncounted(seen: Snapshot) -> Iterator[Concern]:
    wrong = [row.name for row in seen.destinations if not row.balanced]
    if not seen.balanced or wrong:
        where = ", ".join(wrong) or "the input"
        says = f"{where}: the counts do not add up; at rest they must"
        yield Concern("attention", "Accounting", says, "/operations", "Operations")


def _held_back(look: Look) -> Iterator[Concern]:
    for row in look.seen.destinations:
        if not row.paused:
            continue
        state = destination_state(row, look.live)
        said_ = {
            "credentials refused": "refuses our credentials",
            "partner down": "does not answer",
            "paused": "is paused",
        }.get(state.word, "cannot be opened")
        why = f" ({state.why})" if state.why else ""
        says = f"{said_}{why}. Waiting: {max(row.pending, 0):,}, none is lost."
        yield Concern("trouble", row.name, says, f"/destinations/{row.name}", "What its answers say")


def _failing(seen: Snapshot) -> Iterator[Concern]:
    for row in seen.destinations:
        if not row.paused and fails(row):
            says = f"fails ({_codes(row)}). Waiting: {row.pending:,}, they are tried again."
            yield Concern("attention", row.name, says, f"/destinations/{row.name}", "What its answers say")


def _under_target(seen: Snapshot, missed: Iterable[MissedTarget]) -> Iterator[Concern]:
    """But for those whose trouble has been said."""
    known = {row.name for row in seen.destinations if row.paused or fails(row)}
    for one in missed:
        if one.name not in known:
            accepted = f"had {share(one.success, 1.0)} of its attempts accepted {one.when}"
            says = f"{accepted}; its target is {100 * one.target:g} %"
            yield Concern("attention", one.name, says, f"/destinations/{one.name}", "Errors")


def _processes(look: Look) -> Iterator[Concern]:
    for process in look.seen.processes:
        name = process.name or "the process"
        if not process.up or not process.live:
            report = look.ready if not process.up else look.live
            check = report.checks.get(process.name)
            why = f": {check.why}" if check and check.why else ""
            says = f"{'is down' if not process.up else 'does not get on'}{why}"
            yield Concern("trouble", name, says, "/operations", "Workers")


def _dead(seen: Snapshot) -> Iterator[Concern]:
    for row in sorted(seen.destinations, key=lambda row: -row.dead):
        if row.dead > row.redriven:
            says = f"has {counted(row.dead - row.redriven, 'dead letter')} not redriven"
            yield Concern("attention", row.name, says, f"/destinations/{row.name}", "Errors and dead letters")


def _unusual(volumes: Mapping[str, SourceVolume]) -> Iterator[Concern]:
    for name, volume in volumes.items():
        if why := unusual_volume(volume):
            says = f"{'is off its usual volume' if volume.last_hour else 'is quiet'}: {why}"
            yield Concern("attention", name, says, f"/sources/{name}", "Source")


def _behind(seen: Snapshot) -> Iterator[Concern]:
    if seen.oldest_seconds is not None and seen.oldest_seconds > OLD_SECONDS:
        says = f"is behind: the oldest of {seen.waiting:,} waiting messages came {seen.oldest_seconds / 60:.0f} min ago"
        yield Concern("attention", "The router", says, "/operations#lag", "Lag")
    for row in seen.destinations:
        if row.oldest_seconds is not None and row.oldest_seconds > OLD_SECONDS and not row.paused:
            says = f"is behind: its oldest event waits for {row.oldest_seconds / 60:.0f} min"
            yield Concern("attention", row.name, says, f"/destinations/{row.name}", "Delivery")


def _files(live: Report) -> Iterator[Concern]:
    whys = {check.why for name, check in live.checks.items() if name.rpartition(" ")[2] == "reload" and check.why}
    for why in sorted(whys):
        yield Concern(
            "attention", "Files", f"were refused, what ran before goes on: {why}", "/operations", "Operations"
        )


def _refused(seen: Snapshot) -> Iterator[Concern]:
    for source, counts in seen.refused.items():
        code, count = max(counts.items(), key=lambda one: one[1])
        named = source if source not in ("", "none") else "An unknown source"
        href = f"/sources/{source}" if source not in ("", "none") else "/sources"
        total, words = counted(sum(counts.values()), "event"), code.replace("_", " ")
        says = f"had {total} refused by the gateway, most for {words} ({count:,})"
        yield Concern("attention", named, says, href, "Source")
