"""`router pull`: new and changed rows of a query on a database to the topic of its source, once or again and again.

What kill -9 can repeat stands in `router.history.pull`.
"""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from router.cli.history.database import Database
from router.cli.history.pulls import Pulls, answer
from router.cli.history.results import BadRows
from router.cli.loading import load, named_cluster, only_topology, require_broker
from router.cli.options import Json, TopologyOption, with_run_options
from router.config.options import RunOptions
from router.embedded.broker import recognised
from router.errors import Unavailable, UsageError
from router.process.signals import stop_on_signals


@with_run_options("bootstrap", "kafka", "env_file")
def command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A source of the type sql.")],
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    rate: Annotated[int | None, typer.Option("--rate", min=1, help="Rows a second at most; default: no limit.")] = None,
    bad_rows: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Bad rows as JSON lines; default: on stderr.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Pull again and again, at the source's `every`, until a signal.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be sent, and show ten events.")
    ] = False,
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Pull the rows of a query that are new or changed since the last pull, and send them as events of the source.

    Interrupted, even by kill -9, the next pull sends what is left, and nothing twice. Bad rows are reported by their
    number in the query's answer and tried again each time; exit status 1 when there were any.
    """
    if follow and dry_run:
        raise UsageError("expected --follow without --dry-run, got both")
    require_broker(options)
    loaded = load(topology or only_topology(), options, secrets=False)
    database = Database.of(loaded, source)
    stop = Event()
    with BadRows(bad_rows) as bad, stop_on_signals(stop):
        pulls = Pulls(recognised(named_cluster(options)), loaded, database, rate, stop)
        if follow:
            _follow(pulls, bad, stop, database.settings.every, as_json=as_json)
            return
        found = pulls.count(bad) if dry_run else pulls.run(bad)
    answer(pulls, found, bad, dry_run=dry_run, as_json=as_json)


def _follow(pulls: Pulls, bad: BadRows, stop: Event, every: float, *, as_json: bool) -> None:
    """A database or broker that is away is tried again at the next turn."""
    while not stop.is_set():
        try:
            found = pulls.run(bad)
        except Unavailable as error:
            typer.echo(f"Error: {error}: tried again in {every:g} s", err=True)
        else:
            answer(pulls, found, bad, dry_run=False, as_json=as_json, ends=False)
        stop.wait(every)
