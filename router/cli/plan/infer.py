"""`router plan infer`: a draft of a plan from events as they are, in files or in a topic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from router.cli import report
from router.cli.options import Json, with_run_options
from router.config.options import RunOptions


@with_run_options("bootstrap", "kafka")
def command(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Events: one per line, a JSON list, or a batch body.")
    ] = None,
    to: Annotated[Path, typer.Option("--to", metavar="PLAN", help="The folder to write.")] = Path("plan"),
    topic: Annotated[str, typer.Option("--topic", help="Read a topic up to its current end (with --bootstrap).")] = "",
    count: Annotated[
        int, typer.Option("--count", min=0, help="Maximum number of messages to read from the topic; 0: all.")
    ] = 0,
    required: Annotated[
        float,
        typer.Option(
            "--required",
            min=0.0,
            max=1.0,
            help="Share of events that must contain a property for it to become required.",
        ),
    ] = 1.0,
    options_most: Annotated[
        int, typer.Option("--values", min=0, help="Maximum number of distinct values of a text that becomes an enum.")
    ] = 10,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing plan.")] = False,
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Draft a tracking plan from events: types, formats, enums, required properties, counts, masked samples."""
    from router.errors import UsageError
    from router.plan_tools.infer import Inference, InferenceSettings
    from router.plan_tools.store import store

    if bool(files) == bool(topic):
        raise UsageError("expected files or --topic, got " + ("both" if files else "neither"))
    inference = Inference(InferenceSettings(required, options_most))
    for body in _of_topic(topic, count, options) if topic else _of_files(files or []):
        inference.add(body)
    inferred = inference.plan(to.resolve().name)
    if not inferred.plan.rules:
        raise UsageError(f"expected events to draft a plan from, got {sum(inferred.left_out.values())} that are none")
    store(inferred.plan, to, force=force)
    if as_json:
        answer = {"plan": str(to), "events": inferred.events, "rules": len(inferred.plan.rules)}
        report.current().answer(answer | {"left_out": dict(inferred.left_out)})
        return
    for reason, number in inferred.left_out.items():
        typer.echo(f"warning: {number} left out: {reason}", err=True)
    typer.echo(f"{to}: {len(inferred.plan.rules)} rules from {inferred.events} events")


def _of_files(files: list[Path]) -> Iterator[dict[str, Any] | None]:
    from router.plan_tools.infer.events import bodies

    for path in files:
        yield from bodies(path)


def _of_topic(topic: str, count: int, options: RunOptions) -> Iterator[dict[str, Any] | None]:
    """The events of a topic from its oldest message to its present end. Raises what tap raises."""
    from router.cli.loading import named_cluster, require_broker
    from router.cli.tap import lying_there, resolve
    from router.kafka.admin import Admin
    from router.plan_tools.infer.events import of_message

    require_broker(options)
    cluster = named_cluster(options)
    topics = Admin(cluster).topics()
    name = resolve(topic, topics)
    for message in lying_there(cluster, name, count):
        yield from of_message(message.value() or b"")
