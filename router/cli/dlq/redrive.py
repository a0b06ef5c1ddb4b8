"""`router dlq redrive`: dead letters to their destination once more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from router.agents.table import REASONS
from router.cli import report
from router.cli.dlq.options import Chosen, with_dead_letters
from router.cli.options import Json
from router.embedded.capacity import capacity_of, destination_topics
from router.errors import Fenced, RouterError
from router.kafka.admin import Admin
from router.process.signals import stop_on_signals
from router.replay.current_rules import CurrentRules, Ruling
from router.replay.dead_letters import DeadLetter
from router.replay.redrive import SKIPPED, Pace, Redrive, RedriveCounts
from router.replay.redrive_writer import RedriveWriter, open_writer

_WORDS = REASONS | SKIPPED


@with_dead_letters()
def command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be sent.")] = False,
    rate: Annotated[
        int | None, typer.Option("--rate", min=1, help="Events a second at most; default: no limit.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also letters that were redriven before.")] = False,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Past today's filters, consent and privacy rules, unchanged.")
    ] = False,
    as_json: Json = False,
    *,
    chosen: Chosen,
) -> None:
    """Send dead letters to their destination once more, each once, through today's rules and mapping.

    messageId, receive time and idempotency key stay. A letter that fails again is a new dead letter. Interrupted, even
    by kill -9, the same command goes on where it was.
    """
    _require_topics(chosen)
    stop = Event()
    with ExitStack() as stack:
        stack.enter_context(stop_on_signals(stop))
        writer = None if dry_run else _writer(chosen, stack)
        progress = stack.enter_context(_progress())
        done = frozenset() if again else chosen.redriven
        counts: dict[str, RedriveCounts] = {}
        for name in chosen.destinations:
            pace = Pace(rate, time.monotonic, stop.wait)
            judge = _as_it_is if as_is else _judge(CurrentRules(chosen.loaded, name))
            one = Redrive(chosen.topics, chosen.redrive_log, writer, done, judge, pace, stop.is_set)
            counts[name] = one.counts
            try:
                one.run(chosen.letters(name), progress)
            except Fenced as error:
                sent = report.counted(sum(each.sent for each in counts.values()), "event")
                raise Fenced(
                    f"another redrive of this topology has begun; this one stops after {sent}, which are not sent again"
                ) from error
    _answer(chosen, counts, dry_run=dry_run, stopped=stop.is_set(), rate=rate, as_json=as_json)


def _require_topics(chosen: Chosen) -> None:
    there = Admin(chosen.cluster).topics()
    for topic in (chosen.topics.redrives, *map(chosen.topics.destination, chosen.destinations)):
        if topic not in there:
            raise RouterError(
                f"expected the topic {topic} at {chosen.cluster.bootstrap}, got none: see router topics apply"
            )
    for name in chosen.destinations:
        if name not in chosen.loaded.topology.enabled_destinations:
            typer.echo(
                f"note: {name} is switched off, or of another environment: what is redriven waits until it is on",
                err=True,
            )


def _writer(chosen: Chosen, stack: ExitStack) -> RedriveWriter:
    """Opened before the log of redrives is read: it ends a redrive that still runs."""
    capacity = stack.enter_context(capacity_of(chosen.cluster, chosen.loaded.topology, destination_topics))
    writer = open_writer(chosen.cluster, chosen.topics.redrive_transactions, capacity)
    stack.callback(writer.close)
    return writer


def _judge(rules: CurrentRules) -> Callable[[DeadLetter], Ruling]:
    return lambda letter: rules.judge(letter.value or b"", letter.source)


def _as_it_is(letter: DeadLetter) -> Ruling:
    return Ruling(letter.value or b"", "unreadable" if letter.body is None else "")


@contextmanager
def _progress() -> Iterator[Callable[[int], object]]:
    """Letters dealt with, on stderr, on a terminal only."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("dead letters"), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda count: progress.advance(task, count)


def _answer(
    chosen: Chosen, counts: dict[str, RedriveCounts], *, dry_run: bool, stopped: bool, rate: int | None, as_json: bool
) -> None:
    if as_json:
        report.current().answer([_as_dict(name, one, dry_run=dry_run) for name, one in counts.items()])
    else:
        for name, one in counts.items():
            typer.echo("\n".join(_lines(name, one, dry_run=dry_run)))
        sent = sum(one.sent for one in counts.values())
        if dry_run and rate:
            typer.echo(f"at {rate} a second this takes {sent / rate:.0f} s")
    if stopped:
        left = [name for name in chosen.destinations if name not in counts]
        raise RouterError("stopped before the end" + (f"; not begun: {', '.join(left)}" if left else ""))


def _as_dict(name: str, one: RedriveCounts, *, dry_run: bool) -> dict[str, Any]:
    return {"destination": name, "redriven": one.sent, "skipped": dict(one.skipped), "dry_run": dry_run}


def _lines(name: str, one: RedriveCounts, *, dry_run: bool) -> Sequence[str]:
    verb = "would be redriven" if dry_run else "redriven"
    skipped = [f"  {count} left: {_WORDS.get(reason, reason)}" for reason, count in one.skipped.most_common()]
    return [f"{name}: {report.counted(one.sent, 'dead letter')} {verb}", *skipped]
