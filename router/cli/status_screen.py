"""The picture that `router status` shows: what came in, where it went, why something did not, who is well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from router.agents.table import ENDINGS, REASONS
from router.cli.screen import table
from router.gateway.answers import explained
from router.process.health import Report
from router.process.rates import Rates
from router.process.snapshot import DestinationRow, ProcessRow, Snapshot

_FOUND: Final = {
    "unplanned_event": "the plan does not have the event",
    "unplanned_property": "the plan does not have the property",
    "violation": "the event breaks its rule",
    "common": "the event breaks a rule of all events",
    "source_rule": "a rule of the source speaks against it",
}
_PAUSES = {
    "down": "the partner does not answer",
    "refused": "the partner refuses our credentials or settings (401, 403): mend them",
    "open": "its client cannot be opened; the log says why",
    "operator": "until `router destinations resume`",
}

_REASONED = ("held back", "cannot open", "paused by")  # how a check begins that says why a destination waits


def picture(seen: Snapshot, ready: Report, live: Report, speed: Rates | None = None) -> RenderableType:
    """All of it, top to bottom: totals, destinations, reasons, plans, processes."""
    parts: list[RenderableType] = [_totals(seen), _balance(seen)]
    parts += [Text(line) for line in _backlog(seen, speed)]
    parts += [Text()]
    if seen.destinations:
        parts += [_destinations(seen.destinations, speed), Text()]
    sections = {
        "Files that were refused": _refused_files(live),
        "What the gateway refused": _refusals(seen),
        "Why events did not arrive": _reasons(seen, live),
        "What the tracking plan says": _violations(seen),
    }
    for title, lines in sections.items():
        if shown := [Text(line) for line in lines]:
            parts += [Text(title, style="bold"), *shown, Text()]
    if seen.plans:
        parts += [_plans(seen.plans), Text()]
    if not seen.processes:
        return Group(*parts)
    return Group(*parts, _processes(seen.processes, ready, live))


def _totals(seen: Snapshot) -> Table:
    titles = [ending.title for ending in ENDINGS]
    made = table("", "received", *titles, "merged", "waiting", numbers=len(titles) + 3)
    counts = (seen.received, *(seen.ended[ending.name] for ending in ENDINGS), seen.merged, seen.waiting)
    made.add_row("events", *map(_number, counts))
    return made


def _balance(seen: Snapshot) -> Text:
    sums = " + ".join(f"{seen.ended[ending.name]}" for ending in ENDINGS)
    off = [row.name for row in seen.destinations if not row.balanced]
    redriven = " + redriven" if any(row.redriven for row in seen.destinations) else ""
    if seen.balanced and not off:
        return Text(
            f"adds up: {seen.received} = {sums}; routed{redriven} = delivered + filtered + dead + pending everywhere",
            style="green",
        )
    wrong = [] if seen.balanced else [f"{seen.received} received are not {sums}"]
    wrong += [f"{name}: routed{redriven} is not delivered + filtered + dead + pending" for name in off]
    return Text(f"does not add up (yet): {'; '.join(wrong)}; at rest it must", style="yellow")


def _backlog(seen: Snapshot, speed: Rates | None) -> Iterator[str]:
    """How long messages wait for a route worker, and how fast events move."""
    if seen.oldest_seconds is not None and seen.waiting:
        yield f"the oldest of {_number(seen.waiting)} waiting messages came {seconds(seen.oldest_seconds)} ago"
    if speed is not None:
        yield f"{speed.received:g} events/s received, {speed.resolved:g} resolved, over {speed.seconds:g} s"


def _destinations(rows: tuple[DestinationRow, ...], speed: Rates | None) -> Table:
    titles = ["routed", "delivered", "pending", "dead", "P95", "oldest", *(["in/s", "out/s"] if speed else [])]
    made = table("destination", *titles, "state", numbers=len(titles))
    for row in rows:
        counts = (row.routed, row.delivered, row.pending, row.dead)
        ages = (seconds(row.p95_seconds), seconds(row.oldest_seconds))
        moved = speed.destinations.get(row.name, {}) if speed else {}
        fast = [f"{moved.get(way, 0.0):g}" for way in ("routed", "final")] if speed else []
        made.add_row(row.name, *map(_number, counts), *ages, *fast, _state(row))
    return made


def _refused_files(live: Report) -> Iterator[str]:
    """What is wrong with topology and plans as they are on disk, once however many processes read them."""
    said = {check.why for name, check in live.checks.items() if name.rpartition(" ")[2] == "reload" and check.why}
    for why in sorted(said):
        yield f"  {why}; what ran before goes on"


def _state(row: DestinationRow) -> Text:
    if not row.served:
        return Text("nobody delivers it here: switched off, or run elsewhere", style="yellow")
    if row.paused:
        return Text(f"paused: {', '.join(row.paused)}", style="red")
    if row.pending > 0 and not row.asked:
        return Text("pending; why it waits is on the page of its process (--metrics)", style="yellow")
    if row.pending > 0:
        return Text("retrying" if row.retries else "delivering", style="yellow" if row.retries else "")
    return Text("up to date", style="green")


def _refusals(seen: Snapshot) -> Iterator[str]:
    """One line for each source and reason; a request with an unknown write key belongs to no source."""
    for source, counts in seen.refused.items():
        for code, count in counts.items():
            hint = "; compare it with `write_keys` in the topology" if code == "unknown_write_key" else ""
            yield f"  {count} × {code} ({source or 'none'}): {explained(code)}{hint}"


def _violations(seen: Snapshot) -> Iterator[str]:
    for source, counts in seen.violations.items():
        for klass, count in counts.items():
            yield f"  {count} × {klass} ({source}): {_FOUND.get(klass, klass)}; router tap events.violations"


def _reasons(seen: Snapshot, live: Report) -> Iterator[str]:
    """One line for each place where events stop, with the command that shows them."""
    if seen.lost:
        yield f"  lost        {seen.lost}: the broker deleted messages before they were read; see retention"
    for ending in ENDINGS:
        if ending.advice and seen.ended[ending.name]:
            yield f"  {ending.title:11} {seen.ended[ending.name]}: {ending.advice}"
    for source, reasons in seen.stopped.items():
        for reason, count in reasons.items():
            yield f"    {count} × {reason} ({source or 'no source'}): {REASONS.get(reason, reason)}"
    for row in seen.destinations:
        yield from _destination_reasons(row, live)


def _destination_reasons(row: DestinationRow, live: Report) -> Iterator[str]:
    for reason, count in row.filtered.items():
        yield f"  {row.name}: {count} filtered: {REASONS.get(reason, reason)}"
    if row.skipped:
        reasons = f" ({_by_code(row.skips)})" if row.skips else ""
        why = "mapping or cap" if "cap" in row.skips else "mapping"
        yield f"  {row.name}: {row.skipped} not sent by the destination's {why}{reasons}"
    for reason in row.paused:
        yield f"  {row.name}: {row.pending} wait, none is lost: {_PAUSES.get(reason, reason)}"
        yield from (f"    {why}" for why in _said(row.name, live))
    if row.retrying:
        since = f"the oldest for {row.retrying_seconds} s"
        yield f"  {row.name}: {row.retrying} wait in the retry lane, {since}; router tap dest.{row.name}.retry"
    if row.retries:
        from router.destinations.advice import meaning  # with all of HTTP: only where it is asked for

        yield f"  {row.name}: {_by_code(row.retries)} answered with a fault and tried again"
        yield from (f"    {code}: {words}" for code in row.retries if (words := meaning(code)))
    if row.dead:
        codes = f" ({_by_code(row.discarded)})" if row.discarded else ""
        yield f"  {row.name}: {row.dead} given up{codes}; router dlq list {row.name}"
    if row.redriven:
        yield f"  {row.name}: {row.redriven} redriven from the dead letters"
    if row.replayed:
        yield f"  {row.name}: {row.replayed} replayed, not among the counts above; router replay list"


def _said(destination: str, live: Report) -> Iterator[str]:
    """What each process that delivers to it says of why it waits."""
    for name, check in live.checks.items():
        if name.rpartition(" ")[2] == f"deliver.{destination}" and check.why.startswith(_REASONED):
            yield check.why


def _plans(plans: Mapping[str, tuple[str, ...]]) -> Table:
    made = table("source", "revision of its plan in force")
    for source, revisions in plans.items():
        made.add_row(source, ", ".join(revisions))
    return made


def _by_code(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {code}" for code, count in counts.items())


def _processes(rows: tuple[ProcessRow, ...], ready: Report, live: Report) -> Table:
    made = table("process", "restarts", "health", numbers=1)
    for row in rows:
        made.add_row(row.name or "this one", str(row.restarts), _health(row, ready, live))
    return made


def _health(row: ProcessRow, ready: Report, live: Report) -> Text:
    if not row.up:
        return _ill("down", row.name, ready)
    if not row.live:
        return _ill("not live", row.name, live)
    if not row.ready:
        return _ill("not ready", row.name, ready)
    slower = "; nothing of it native: slower, see `router --version`" if row.native == () else ""
    return Text(f"ready{slower}", style="green")


def _ill(what: str, process: str, report: Report) -> Text:
    """What is wrong and why: the process's own check, or on the page of a single process all that fail."""
    check = report.checks.get(process)
    why = check.why if check else report.why()
    return Text(f"{what}: {why}" if why else what, style="red")


def _number(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def seconds(value: float | None) -> str:
    """`35 ms`, `1.25 s`, `2.5 min`, or a dash."""
    if value is None:
        return "-"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.3g} s" if value < 120 else f"{value / 60:.1f} min"
