"""`/operations`: processes and their health, lag by partition, topics, replays, and what people did here."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from router.console.jobs import Job
from router.console.operations import KafkaSide, read_kafka_side
from router.console.page import Page
from router.console.replaying import KIND as REPLAY
from router.console.replaying import origins
from router.console.sight import LatestCounts, Sight
from router.console.states import StateWord
from router.console.templates import Shown
from router.errors import RouterError
from router.process.snapshot import ProcessRow
from router.replay.running import ORIGINS, share_of
from router.status.pages import Look

MOST_LAG = 60


async def answer(sight: Sight, request: web.Request) -> Shown:
    counts, names = await sight.counts(), list(sight.loaded.topology.destinations)
    jobs, side, why = sight.jobs.of(REPLAY), None, ""
    try:
        side = await sight.read(lambda: read_kafka_side(sight))
    except RouterError as error:
        why = str(error)
    return operations(counts, side, why, names, jobs, origins(sight.loaded))


def operations(
    counts: LatestCounts,
    kafka: KafkaSide | None,
    error: str,
    destinations: Sequence[str] = (),
    jobs: Sequence[Job] = (),
    places: Sequence[str] = ORIGINS,
) -> Shown:
    """The page. Pure; `error` says why Kafka's part is not there."""
    look = counts.look
    processes = [(row, process_state(row, look)) for row in look.seen.processes] if look else []
    checks = [(name, check) for name, check in {**look.live.checks, **look.ready.checks}.items()] if look else []
    lag = [row for row in kafka.lag if row.waiting][:MOST_LAG] if kafka else []
    values = {"counts": counts, "processes": processes, "kafka": kafka, "error": error, "lag": lag, "checks": checks}
    values |= {"destinations": destinations, "jobs": {job.target: job for job in reversed(jobs)}, "origins": places}
    values |= {"share": share_of, "newest": kafka.replays[::-1] if kafka else []}
    return Shown("operations.html", "Operations", values)


def process_state(row: ProcessRow, look: Look) -> StateWord:
    """How a process is, with why."""
    report = look.ready if not row.up or not row.ready else look.live
    check = report.checks.get(row.name)
    why = check.why if check else report.why()
    if not row.up:
        return StateWord("down", "trouble", why)
    if not row.live:
        return StateWord("not live", "trouble", why)
    return StateWord("ready", "fine") if row.ready else StateWord("not ready", "attention", why)


PAGE = Page("/operations", "Operations", answer, "w")
