"""`router dlq purge`: delete dead letters, oldest first, for good."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Annotated

import typer

from router.cli import report
from router.cli.dlq.options import Chosen, with_dead_letters
from router.cli.options import Json
from router.errors import UsageError
from router.kafka.admin import Admin
from router.kafka.offsets import PartitionKey
from router.replay.dead_letters import ends, letters


@dataclass(slots=True)
class _Purge:
    """Of one destination: where each partition will begin, how many letters go, and how many were never redriven."""

    destination: str
    offsets: dict[PartitionKey, int] = field(default_factory=dict)
    count: int = 0
    never_redriven: int = 0


@with_dead_letters("until")
def command(
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")] = False,
    as_json: Json = False,
    *,
    chosen: Chosen,
) -> None:
    """Delete dead letters for good: all, or with --until those given up before that time.

    Kafka deletes from the beginning of a partition only: no other choice can be made, and a letter behind a later one
    stays.
    """
    purges = [_measure(chosen, name) for name in chosen.destinations]
    total = sum(purge.count for purge in purges)
    if not as_json:
        typer.echo("\n".join(map(_line, purges)))
    if total and not dry_run:
        _confirm(total, yes=yes, as_json=as_json)
        Admin(chosen.cluster).delete_before(
            {key: offset for purge in purges for key, offset in purge.offsets.items() if purge.count}
        )
    if as_json:
        report.current().answer([_as_dict(purge, deleted=not dry_run) for purge in purges])
    elif total and not dry_run:
        typer.echo(f"deleted {report.counted(total, 'dead letter')}")


def _measure(chosen: Chosen, name: str) -> _Purge:
    topic, until = chosen.topics.dead(name), chosen.selection.until
    purge = _Purge(name)
    for number, bounds in ends(Admin(chosen.cluster), topic).items():
        offset = bounds.high
        for letter in letters(chosen.cluster, name, topic, {number: bounds}):
            if until is not None and letter.time >= until:
                offset = letter.offset
                break
            purge.count += 1
            purge.never_redriven += (name, number, letter.offset) not in chosen.redriven
        if offset > bounds.low:
            purge.offsets[topic, number] = offset
    return purge


def _confirm(total: int, *, yes: bool, as_json: bool) -> None:
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise UsageError("expected --yes: what is deleted cannot be redriven")
    typer.confirm(f"Delete {report.counted(total, 'dead letter')} for good?", abort=True)


def _line(purge: _Purge) -> str:
    rest = f", {purge.never_redriven} of them never redriven" if purge.never_redriven else ""
    return f"{purge.destination}: {report.counted(purge.count, 'dead letter')} to delete{rest}"


def _as_dict(purge: _Purge, *, deleted: bool) -> dict[str, object]:
    return {
        "destination": purge.destination, "count": purge.count, "never_redriven": purge.never_redriven,
        "deleted": deleted and purge.count > 0,
    }  # fmt: skip
