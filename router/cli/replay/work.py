"""Runs a replay for a command: signals stop it, a terminal shows its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

from router.cli import report
from router.cli.replay.options import as_dict, echo, lines
from router.errors import RouterError
from router.process.signals import stop_on_signals
from router.replay.replay_state import ReplayState
from router.replay.running import Replays, left_to_read, run, share_of


def work(replays: Replays, state: ReplayState, *, as_json: bool) -> None:
    """To the end, or until a signal or another command stops it. Raises Fenced, RouterError."""
    stop = Event()
    with stop_on_signals(stop), _progress(state) as progress:
        typer.echo(f"{state.id}: {_size_in_words(state)} to read", err=True)
        run(replays, state, stop, _say, progress)
    if as_json:
        report.current().answer(as_dict(state, share_of(state)))
    else:
        echo(lines(state, verb="replayed"))
    if state.status == "stopped":
        raise RouterError(f"stopped before the end: router replay resume {state.id} goes on")


def _size_in_words(state: ReplayState) -> str:
    size = left_to_read(state)
    return report.counted(state.extent["files"], "file") if size is None else report.counted(size, "message")


def _say(text: str) -> None:
    typer.echo(f"note: {text}", err=True)


@contextmanager
def _progress(state: ReplayState) -> Iterator[Callable[[int], object]]:
    """Messages dealt with, on stderr, on a terminal only."""
    console = Console(stderr=True)
    columns = (TextColumn(state.id), BarColumn(), MofNCompleteColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=left_to_read(state))
        yield lambda count: progress.advance(task, count)
