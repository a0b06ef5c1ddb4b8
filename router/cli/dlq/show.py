"""`router dlq show`: dead letters with what was sent and what came back."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from router.cli import report
from router.cli.dlq.options import Chosen, with_dead_letters
from router.cli.options import Json
from router.events.times import iso
from router.process.logging import as_json_text, visible
from router.replay.dead_letters import DeadLetter
from router.replay.exchanges import Exchange, exchanges
from router.replay.reasons import reason_of

_SHOWN = 4_000  # characters of an event in text


@with_dead_letters()
def command(
    count: Annotated[int, typer.Option("--count", min=1, help="Show the latest ones, at most this many each.")] = 10,
    as_json: Json = False,
    *,
    chosen: Chosen,
) -> None:
    """Show dead letters: the event, and where the delivery log has a sample of it, our request and the answer.

    Values of masked fields and secrets are left out.
    """
    answers = [
        _letter_answer(letter, exchange, chosen)
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


def _letter_answer(letter: DeadLetter, exchange: Exchange, chosen: Chosen) -> dict[str, Any]:
    """`event` is the body, or the text of what is no JSON object; `length` is there when it was cut off."""
    reason, mask = reason_of(letter.code), chosen.mask
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
        "redriven": letter.place in chosen.redriven,
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
    yield f"{place}  {said['time']}  {said['reason']} after {attempts}{', redriven' * answer['redriven']}"
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
