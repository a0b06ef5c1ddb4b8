"""`router dlq list`: dead letters counted by destination and reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer
from rich.text import Text

from router.cli import report
from router.cli.dlq.options import Chosen, with_dead_letters
from router.cli.options import Json
from router.cli.screen import console, table
from router.events.times import iso
from router.process.logging import visible
from router.replay.dead_letters import LetterGroup, grouped
from router.replay.reasons import reason_of


@with_dead_letters()
def command(as_json: Json = False, *, chosen: Chosen) -> None:
    """Count dead letters by destination and reason, with what to do about each reason."""
    found = (letter for name in chosen.destinations for letter in chosen.letters(name))
    groups = grouped(found, chosen.redriven)
    if as_json:
        report.current().answer([_group_answer(group) for group in groups])
    elif not groups:
        typer.echo("no dead letters")
    else:
        _print_groups(groups)


def _group_answer(group: LetterGroup) -> dict[str, Any]:
    reason = reason_of(group.code)
    return {
        "destination": group.destination,
        "reason": group.code,
        "count": group.count,
        "redriven": group.redriven,
        "first": iso(group.first),
        "last": iso(group.last),
        "sample": {"messageId": group.sample.message_id, "event": group.sample.event},
        "means": reason.words,
        "do": reason.advice,
    }


def _print_groups(groups: Iterable[LetterGroup]) -> None:
    made = table("destination", "reason", "count", "redriven", "first", "last", "sample")
    advice: dict[str, str] = {}
    for group in groups:
        sample = " ".join(part for part in (group.sample.message_id, group.sample.event) if part)
        times = iso(group.first), iso(group.last)
        code = visible(group.code) or "-"
        row = (group.destination, code, str(group.count), str(group.redriven), *times, visible(sample) or "-")
        made.add_row(*map(Text, row))
        reason = reason_of(group.code)
        advice[code] = f"{code}: {reason.words}; {reason.advice}"
    console().print(made)
    typer.echo("\n" + "\n".join(advice.values()))
