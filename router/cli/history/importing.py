"""`router import`: events and rows of files into the topic of a source, each once however often it is begun.

What kill -9 can repeat stands in `router.history.history_import`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from router.cli.history.page import MetricsPage, served
from router.cli.history.plan import ImportPlan
from router.cli.history.preview import make_map, show_events
from router.cli.history.results import BadRows, answer
from router.cli.history.work import Imports, count
from router.cli.loading import load, named_cluster, only_topology, require_broker
from router.cli.options import Json, TopologyOption, with_run_options
from router.config.options import RunOptions
from router.embedded.broker import recognised
from router.errors import UsageError
from router.history.formats import files_of
from router.history.remote_file import place_of
from router.history.row_events import STRIPPED

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="CSV or NDJSON, gzip too; folders: an archive, Segment's S3 copies. Paths, or URLs such as s3://….",
    ),
]
Again = Annotated[
    bool,
    typer.Option("--again", help="Begin anew with files imported before; to go on after a stop, leave it out."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and check all rows, show ten events, send nothing.")]


@with_run_options("bootstrap", "kafka", "env_file")
def command(
    files: Files,
    source: Annotated[str, typer.Option("--source", metavar="SOURCE", help="The source that the events are of.")],
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    map_file: Annotated[
        Path | None, typer.Option("--map", metavar="FILE", help="What becomes of a row; CSV needs one, or --guess.")
    ] = None,
    guess: Annotated[
        bool, typer.Option("--guess", help="Make the mapping file from the header, show ten rows, send nothing.")
    ] = False,
    only: Annotated[
        list[str],
        typer.Option("--only", metavar="DEST", help="Events go to this destination and no other; repeatable."),
    ] = [],  # noqa: B006
    keep: Annotated[
        list[str],
        typer.Option("--keep", metavar="FIELD", help=f"Keep a field that is left out: {', '.join(STRIPPED)}."),
    ] = [],  # noqa: B006
    form: Annotated[
        str, typer.Option("--format", metavar="csv|ndjson|parquet", help="Default: by the name of the file.")
    ] = "",
    rate: Annotated[int | None, typer.Option("--rate", min=1, help="Rows a second at most; default: no limit.")] = None,
    bad_rows: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Bad rows as JSON lines; default: on stderr.")
    ] = None,
    metrics_page: MetricsPage = "",
    again: Again = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Import events of the past: rows of CSV by a mapping file, NDJSON, archives of this router, Segment's S3 copies.

    Timestamps stay as they are. Interrupted, even by kill -9, the same command goes on where it was: each row is there
    once. Bad rows are reported by line and not sent; exit status 1 when there were any.
    """
    places = [place_of(file) for file in files]
    if guess:
        _no_other("--guess", {"--dry-run": dry_run, "--only": bool(only)})
        make_map(places, form, map_file)
        return
    loaded = load(topology or only_topology(), options, secrets=False)
    plan = ImportPlan.of(loaded, source, map_file, only, keep, form)
    for file in files_of(places):
        plan.format_of(file)
    with BadRows(bad_rows) as rejected:
        if dry_run:
            found = list(count(plan, places, rejected))
            if not as_json:
                show_events(plan, places)
        else:
            require_broker(options)
            imports = Imports(recognised(named_cluster(options)), loaded, plan, rate, again=again)
            with served(metrics_page):
                found = list(imports.run(places, rejected))
    answer(found, rejected, plan.target.topic, dry_run=dry_run, as_json=as_json)


def _no_other(option: str, others: dict[str, bool]) -> None:
    for name, given in others.items():
        if given:
            raise UsageError(f"expected {option} without {name}, got both")
