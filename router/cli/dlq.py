"""`router dlq`: why events were given up, by destination and reason, and each of them with the partner's answer."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer
from rich.text import Text

from router.cli import report
from router.cli.dlq_options import Chosen, with_dead_letters
from router.cli.options import Json
from router.cli.screen import console, table
from router.events.times import iso
from router.mask import Mask
from router.process.logging import as_json_text, visible
from router.replay.dead_letters import DeadLetter, LetterGroup, grouped
from router.replay.exchanges import Exchange, exchanges
from router.replay.reasons import reason_of

_SHOWN = 4_000  # characters of an event in text

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Dead letters: events that a partner refused for good, or that failed for the whole retry budget."""


@app.command("list")
@with_dead_letters()
def list_letters(as_json: Json = False, *, chosen: Chosen) -> None:
    """Count dead letters by destination and reason, with what to do about each reason."""
    groups = grouped(letter for name in chosen.destinations for letter in chosen.letters(name))
    if as_json:
        report.current().answer([_group_answer(group) for group in groups])
    elif not groups:
        typer.echo("no dead letters")
    else:
        _print_groups(groups)


@app.command()
@with_dead_letters()
def show(
    count: Annotated[int, typer.Option("--count", min=1, help="Show the latest ones, at most this many each.")] = 10,
    as_json: Json = False,
    *,
    chosen: Chosen,
) -> None:
    """Show dead letters: the event, and where the delivery log has a sample of it, our request and the answer.

    Values of masked fields and secrets are left out.
    """
    answers = [
        _letter_answer(letter, exchange, chosen.mask)
        for name in chosen.destinations
        for letter, exchange in _with_exchange(chosen, name, count)
    ]
    if as_json:
        report.current().answer(answers)
        return
    for answer in answers:
        typer.echo("\n".join(_lines(answer)))
    if not answers:
        typer.echo("no dead letters")


def _with_exchange(chosen: Chosen, name: str, count: int) -> Iterator[tuple[DeadLetter, Exchange]]:
    latest = heapq.nlargest(count, chosen.letters(name), key=lambda letter: letter.time)
    kept = exchanges(chosen.cluster, chosen.topics.delivery_log, latest)
    return ((letter, kept.get(letter.origin, {})) for letter in reversed(latest))


def _group_answer(group: LetterGroup) -> dict[str, Any]:
    reason = reason_of(group.code)
    return {
        "destination": group.destination,
        "reason": group.code,
        "count": group.count,
        "first": iso(group.first),
        "last": iso(group.last),
        "sample": {"messageId": group.sample.message_id, "event": group.sample.event},
        "means": reason.words,
        "do": reason.advice,
    }


def _print_groups(groups: Iterable[LetterGroup]) -> None:
    made = table("destination", "reason", "count", "first", "last", "sample")
    advice: dict[str, str] = {}
    for group in groups:
        sample = " ".join(part for part in (group.sample.message_id, group.sample.event) if part)
        times = iso(group.first), iso(group.last)
        code = visible(group.code) or "-"
        row = (group.destination, code, str(group.count), *times, visible(sample) or "-")
        made.add_row(*map(Text, row))
        reason = reason_of(group.code)
        advice[code] = f"{code}: {reason.words}; {reason.advice}"
    console().print(made)
    typer.echo("\n" + "\n".join(advice.values()))


def _letter_answer(letter: DeadLetter, exchange: Exchange, mask: Mask) -> dict[str, Any]:
    """`event` is the body, or the text of what is no JSON object; `length` is there when it was cut off."""
    reason = reason_of(letter.code)
    raw = (letter.value or b"").decode(errors="backslashreplace")
    answer: dict[str, Any] = {
        "destination": letter.destination,
        "partition": letter.partition,
        "offset": letter.offset,
        "time": iso(letter.time),
        "reason": letter.code,
        "means": reason.words,
        "do": reason.advice,
        "stage": letter.stage,
        "attempts": letter.attempts,
        "origin": letter.origin,
        "source": letter.source,
        "messageId": letter.message_id,
        "name": letter.event,
        "event": mask.text(raw) if letter.body is None else mask.value(letter.body),
    }
    if letter.length is not None:
        answer["length"] = letter.length
    return answer | exchange


def _lines(answer: dict[str, Any]) -> Iterator[str]:
    """A dead letter as text; what comes from outside cannot move the cursor."""
    said = {name: visible(value) or "-" for name, value in answer.items() if isinstance(value, str)}
    attempts = report.counted(answer["attempts"], "attempt")
    place = f"{said['destination']} [{answer['partition']}] {answer['offset']}"
    yield f"{place}  {said['time']}  {said['reason']} after {attempts}"
    yield f"  {said['means']}; {said['do']}"
    yield f"  messageId  {said['messageId']}  source {said['source']}  origin {said['origin']}"
    text = said.get("event") or as_json_text(answer["event"])
    cut = f"… ({len(text)} characters; --json has all that is kept)" if len(text) > _SHOWN else ""
    yield f"  event      {text[:_SHOWN]}{cut}"
    if "length" in answer:
        yield f"  of {answer['length']} bytes, only the first 64 KiB are kept"
    for title, name in (("request", "request"), ("answer", "response"), ("detail", "detail")):
        lines = str(answer.get(name, "")).splitlines()
        if lines:
            yield f"  {title:10} " + "\n             ".join(map(visible, lines))
    if not answer.get("request") and not answer.get("response"):
        yield "  answer     not kept: the delivery log has up to three samples of each outcome"
