"""`router trace`: what became of one event, or of one person's events, and why."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli import report
from router.cli.ahead import opening
from router.cli.loading import load, named_cluster, only_topology, require_broker
from router.cli.options import Json, TopologyOption, with_run_options
from router.config.options import RunOptions
from router.errors import UsageError

if TYPE_CHECKING:
    from router.trace.scan import Scanner
    from router.trace.tracer import Traced

Progress = Callable[[int], object]


@with_run_options("bootstrap", "kafka", "env_file")
def command(
    asked: Annotated[
        str, typer.Argument(metavar="ID", help="A messageId, user id, anonymous id, profile id or e-mail address.")
    ],
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Received at or after this time, or an age such as 7d.")
    ] = "24h",
    count: Annotated[
        int, typer.Option("--count", min=1, max=1000, help="Of a person, the latest events, at most this many.")
    ] = 20,
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Tell the story of one event, or of one person's events: received, plan, profile, and each destination.

    Each line has its time since the event was received. Lines with * are in no record: today's files say so. Reading
    joins no group and disturbs nobody. Exit status 1 when nothing is found.
    """
    if not asked.strip():
        raise UsageError("expected an ID, got an empty text")
    require_broker(options)
    with _progress() as progress, opening(_scanner(options, progress)) as opened:
        traced = _trace(opened, topology or only_topology(), options, asked, since, count)
    if as_json:
        report.current().answer(traced.as_dict())
    else:
        _print(traced)
    if not traced.found:
        raise typer.Exit(1)


def _scanner(options: RunOptions, progress: Progress) -> Callable[[], Scanner]:
    """What opens the clients: a tenth of a second of waiting, in which the topology can be read."""
    from router.embedded.broker import recognised
    from router.native.heap import keep_freed_memory
    from router.trace.scan import Scanner

    def opened() -> Scanner:
        scanner = Scanner(recognised(named_cluster(options)), progress)
        scanner.prepare()
        return scanner

    keep_freed_memory()
    return opened


def _trace(
    opened: Callable[[], Scanner], files: list[Path], options: RunOptions, asked: str, since: str, count: int
) -> Traced:  # fmt: skip
    from router.mask import Mask
    from router.process.run import secrets
    from router.replay.selection import moment
    from router.trace.tracer import Tracer

    now = int(time.time() * 1000)
    start = moment(since, "--since", now)
    if start is None or start > now:
        raise UsageError(f"--since: expected a time that is past, got {since}")
    loaded = load(files, options, secrets=False)
    mask = Mask(loaded.topology.mask, secrets(loaded, options))
    return Tracer(loaded, opened(), mask).trace(asked, start, now, count)


@contextmanager
def _progress() -> Iterator[Progress]:
    """How many messages have been looked at; on a terminal only."""
    if not sys.stderr.isatty():
        yield int
        return
    from rich.console import Console
    from rich.progress import Progress as ProgressBar
    from rich.progress import SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,} messages looked at"))
    with ProgressBar(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda count: progress.advance(task, count)


def _print(traced: Traced) -> None:
    from rich.text import Text

    from router.cli.screen import console

    screen = console()
    for text, style in _lines(traced):
        screen.print(Text(text, style), soft_wrap=True)


def _lines(traced: Traced) -> Iterator[tuple[str, str]]:
    from router.trace.text import line, lines

    for number, story in enumerate(traced.stories):
        if number:
            yield "", ""
        yield from lines(story)
    yield from map(line, traced.refused)
    yield from ((text, "dim") for text in traced.notes)
