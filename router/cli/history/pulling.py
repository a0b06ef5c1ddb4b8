"""`router pull`: new and changed rows of a query on a database to the topic of its source, once or again and again.

What kill -9 can repeat stands in `router.history.pull`.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from router.cli import report
from router.cli.history.database import Database, pulled_sources
from router.cli.history.page import MetricsPage, served
from router.cli.history.pulls import Pulls, answer, as_dict, in_words
from router.cli.history.results import BadRows
from router.cli.history.schedule import PullSchedule, Told
from router.cli.loading import load, named_cluster, only_topology, require_broker, watch
from router.cli.options import Json, TopologyOption, with_run_options
from router.config.loader import Loaded
from router.config.options import RunOptions, parse_address
from router.embedded.broker import recognised
from router.errors import RouterError, UsageError
from router.history.pull_steps import PullCounts
from router.process.health import Health
from router.process.run import register_secrets, run_process
from router.process.signals import stop_on_signals

_ANY_PORT = "127.0.0.1:0"

log = logging.getLogger(__name__)


@with_run_options("bootstrap", "kafka", "env_file")
def command(
    sources: Annotated[
        list[str], typer.Argument(metavar="[SOURCE]...", help="Sources of the type sql; left out: all there are.")
    ] = [],  # noqa: B006  typer copies it
    topology: TopologyOption = [],  # noqa: B006
    rate: Annotated[int | None, typer.Option("--rate", min=1, help="Rows a second at most; default: no limit.")] = None,
    bad_rows: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Bad rows as JSON lines; default: on stderr.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Pull again and again, each source at its `every`, until a signal.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the question and ten events, and count what would be sent.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Forget what was pulled: begin with the first row. After a stop, leave it out."),
    ] = False,
    metrics_page: MetricsPage = "",
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Pull the rows of a query that are new or changed since the last pull, and send them as events of the source.

    With `settings.cursor` only rows from its last value on are asked for. Interrupted, even by kill -9, the next pull
    sends what is left, and nothing twice. Bad rows are reported by their
    number in the query's answer and tried again each time; exit status 1 when there were any. `router up` pulls by
    itself; --follow is for gateway and workers that run on their own.
    """
    for name, given in (("--dry-run", dry_run), ("--again", again)):
        if follow and given:
            raise UsageError(f"expected --follow without {name}, got both")
    require_broker(options)
    files = topology or only_topology()
    if follow:
        if not options.supervised:
            options = replace(options, metrics=parse_address(metrics_page or _ANY_PORT))
        with BadRows(bad_rows) as bad:
            _follow(files, options, sources, rate, bad if bad_rows else None, as_json=as_json)
    loaded = load(files, options, secrets=False)
    stop = Event()
    for name in _chosen(loaded, sources):
        with BadRows(bad_rows) as bad, stop_on_signals(stop), served(metrics_page):
            database = Database.of(loaded, name)
            pulls = Pulls(recognised(named_cluster(options)), loaded, database, rate, stop)
            found = pulls.count(bad, again=again) if dry_run else pulls.run(bad, again=again)
        answer(pulls, found, bad, dry_run=dry_run, as_json=as_json)


def _follow(
    files: list[Path], options: RunOptions, sources: list[str], rate: int | None, bad: BadRows | None, *, as_json: bool
) -> None:
    """Ends with the process's status."""
    reload = watch(files, options, plans=False, secrets=False)
    loaded = reload.active
    if not options.supervised:
        _chosen(loaded, sources)
    told = _as_json(report.current()) if as_json else _as_log

    def run(stop: Event, health: Health) -> None:
        cluster = recognised(named_cluster(options))
        schedule = PullSchedule(cluster, health, told, chosen=sources, rate=rate, rejected=bad)
        reload.use(lambda new: None, register=lambda new: register_secrets(new, options))
        schedule.run(loaded, stop, reload)

    raise typer.Exit(run_process("pull", loaded, options, run, reload))


def _chosen(loaded: Loaded, sources: list[str]) -> list[str]:
    """Raises RouterError where there is nothing to pull."""
    found = sources or pulled_sources(loaded)
    for name in found:
        Database.of(loaded, name)
    if not found:
        raise RouterError(f"expected a source of the type sql in {loaded.topology.name}, got none")
    return found


def _as_json(to: report.Reporter) -> Told:
    return lambda database, counts: to.answer(as_dict(database, counts))


def _as_log(database: Database, counts: PullCounts) -> None:
    log.info("%s", in_words(database, counts))
