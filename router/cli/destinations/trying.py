"""`router destinations try`: what becomes of an event on its way to a destination, and what the partner says of it."""

from __future__ import annotations

import asyncio
import io
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from router.cli import report
from router.cli.destinations.checking import destination_of
from router.cli.loading import load, only_topology
from router.cli.options import Json, TopologyOption, with_run_options
from router.config.options import RunOptions
from router.errors import FileError, Problem, UsageError

if TYPE_CHECKING:
    from router.config.loader import Loaded
    from router.topology_tests.trial import Trial

Item = dict[str, Any]


@with_run_options("env_file")
def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A destination of the topology.")],
    events: Annotated[
        list[str],
        typer.Argument(
            metavar="EVENT",
            help="Files of events, - for standard input, or events as JSON text; default: examples of the plan.",
        ),
    ] = [],  # noqa: B006  typer copies it
    send: Annotated[bool, typer.Option("--send", help="Send the requests, and show the partner's answers.")] = False,
    source: Annotated[
        str, typer.Option("--source", metavar="SOURCE", help="Source of the events; default: the first it takes.")
    ] = "",
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Try events on a destination: each agent's part, the exact request with its secrets masked, the partner's answer.

    No broker is needed and nothing is sent without --send. Exit status 1 when an event would not be accepted, 3 when
    only the partner cannot be reached.
    """
    from router.destinations.http import HttpDestination
    from router.mask import Mask
    from router.plan_tools.samples import source_for
    from router.process.run import secrets
    from router.topology_tests.trial import Trials

    loaded = load(topology or only_topology(), options, plans=True)
    destination_of(loaded, name)
    trials = Trials(loaded, name, Mask(loaded.topology.mask, secrets(loaded, options)))
    if send and not isinstance(trials.connector, HttpDestination):
        raise UsageError(f"expected a destination that is sent requests, got {name}: what it would write is shown")
    items = list(_items(loaded, name, events, source_for(loaded, name, source)))
    done = [trial for item in items for trial in trials.run(item, time.time())]
    if send:
        asyncio.run(trials.send(done))
    _warn_of_blanks(trials.connector)
    if as_json:
        report.current().answer([trial.as_dict() for trial in done])
    else:
        for trial in done:
            typer.echo("\n".join(_lines(trial)))
    failed = [trial for trial in done if not trial.accepted]
    if failed:
        raise typer.Exit(3 if all(trial.unanswered for trial in failed) else 1)


def _items(loaded: Loaded, name: str, events: Sequence[str], source: str) -> Iterator[Item]:
    """The events as test cases write them. Raises FileError with what is no event."""
    from router.cli.send_file import events as read
    from router.plan_tools.samples import sample_events

    problems: list[Problem] = []
    if not events:
        for sample in sample_events(loaded, name, source):
            yield {"messageId": f"try-{uuid.uuid4()}", **sample, "source": source}
    for given in events:
        content, place = _content(given)
        for item in read(io.BytesIO(content), place, loaded.topology.limits.of_events()):
            if isinstance(item, Problem):
                problems.append(item)
            else:
                yield {"messageId": f"try-{uuid.uuid4()}", **orjson.loads(item.value), "source": source}
    if problems:
        raise FileError(problems)


def _content(given: str) -> tuple[bytes, str]:
    """The bytes that an argument stands for, and its name in problems."""
    if given.lstrip()[:1] in ("{", "["):
        return given.encode(), "EVENT"
    if given == "-":
        return sys.stdin.buffer.read(), "-"
    try:
        return Path(given).read_bytes(), given
    except OSError as error:
        raise FileError([Problem(given, 0, 0, "", f"expected a readable file, got {error.strerror}")]) from error


def _warn_of_blanks(connector: Any) -> None:
    from router.destinations.advice import blank_credentials

    for place in blank_credentials(connector.settings):
        typer.echo(f"warning: destinations.{connector.name}.{place} begins or ends with a blank", err=True)


def _lines(trial: Trial) -> Iterator[str]:
    from router.destinations.advice import in_words
    from router.events.parser import encode

    trace = trial.trace
    yield f"{trace.type} {trace.name}".rstrip() + f" ({trace.message_id}), from the source {trace.source}"
    for step in trace.steps:
        said = step.lines or ["nothing to change"]
        yield f"  {step.agent:<13} {said[0]}"
        yield from (f"  {'':<13} {line}" for line in said[1:])
        if step.ended:
            break
    yield from (f"  {'map':<13} left out: {problem}" for problem in trial.problems)
    for request in trial.requests:
        yield f"  {'request':<13} {request.method} {request.url}"
        yield from (f"  {'':<13} {name}: {value}" for name, value in request.headers.items())
        yield from (f"  {'':<13} {line}" for line in _pretty(request.body))
    if trial.written is not None and not trial.requests and not trial.refusal:
        yield f"  {'written':<13} {encode(trial.written).decode()}"
    if trial.outcome is not None:
        yield f"  {'answer':<13} {in_words(trial.outcome)}"
        yield from (f"  {'':<13} {line}" for line in _pretty(trial.answer))
    elif trial.refusal:
        yield f"  {'result':<13} not sent: {trial.refusal}"


def _pretty(text: str) -> list[str]:
    """JSON over several lines, other text as it is."""
    with suppress(orjson.JSONDecodeError):
        text = orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    return text.splitlines()
