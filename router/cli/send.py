"""`router send`: the events of a file to a source's topic, keyed as every producer should key them.

kill -9 or Ctrl-C: what Kafka has acknowledged by then is sent. Sending the file again repeats it; the router drops the
repeats of events that carry a `messageId`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from router.cli import report
from router.cli.loading import load, named_cluster, only_topology, require_broker
from router.cli.options import Json, TopologyOption, with_run_options
from router.cli.send_file import Ready, events
from router.cli.sender import Sender, Target
from router.config.models import Topology
from router.config.options import RunOptions
from router.embedded.broker import recognised
from router.embedded.capacity import capacity_of
from router.errors import FileError, Problem, RouterError
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster

_SHOWN_PROBLEMS = 1000


@with_run_options("bootstrap", "kafka", "env_file")
def command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A source of the topology.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Events; - for standard input.", allow_dash=True)],
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Send the events of a file: one event, a JSON list, NDJSON, or Segment batch bodies.

    Events that are none are reported with their place and not sent; the others are. Exit status 1 when there were any.
    """
    require_broker(options)
    loaded = load(topology or only_topology(), options, secrets=False)
    cluster = recognised(named_cluster(options))
    target = Target(loaded.topology, source)
    with _opened(file) as (stream, name), _sender(cluster, loaded.topology, target) as sender:
        found = events(stream, name, loaded.topology.limits.of_events())
        rejected = sender.send(_shown(found))
    _answer(sender.sent, rejected, target.topic, as_json=as_json)


@contextmanager
def _sender(cluster: Cluster, topology: Topology, target: Target) -> Iterator[Sender]:
    if target.topic not in Admin(cluster).topics():
        raise RouterError(
            f"expected the topic {target.topic} at {cluster.bootstrap}, got none: see router topics apply"
        )
    with capacity_of(cluster, topology) as capacity:
        yield Sender(cluster, target, capacity)


@contextmanager
def _opened(file: Path) -> Iterator[tuple[IO[bytes], str]]:
    if str(file) == "-":
        yield sys.stdin.buffer, "-"
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise FileError([Problem(str(file), 0, 0, "", f"expected a readable file, got {error.strerror}")]) from error
    with stream:
        yield stream, str(file)


def _shown(items: Iterator[Ready | Problem]) -> Iterator[Ready | Problem]:
    """The same items, counted on stderr while they pass, on a terminal only."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("sending"), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("sending", total=None)
        for item in items:
            progress.advance(task)
            yield item


def _answer(sent: int, rejected: list[Problem], topic: str, *, as_json: bool) -> None:
    if as_json:
        answer = {"sent": sent, "topic": topic, "errors": [problem.as_dict() for problem in rejected]}
        report.current().answer(answer)
    else:
        for problem in rejected[:_SHOWN_PROBLEMS]:
            typer.echo(str(problem), err=True)
        typer.echo(f"sent {sent} events to {topic}" + (f"; {len(rejected)} were none" if rejected else ""))
    if rejected:
        raise typer.Exit(1)
