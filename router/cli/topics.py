"""`router topics`: a topology's topics as they should be, made where they are missing, compared with the cluster."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from router.cli import report
from router.cli.loading import load, require_broker
from router.cli.options import Json, Topologies, with_run_options
from router.cli.screen import console, table
from router.config.options import RunOptions
from router.config.topics import wanted_topics
from router.events.topics import TopicSpec
from router.kafka.admin import Admin, Difference
from router.kafka.cluster import Cluster

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Show, create or check the topics of a topology."""


@app.command()
@with_run_options("env_file")
def show(topologies: Topologies, as_json: Json = False, *, options: RunOptions) -> None:
    """Show every topic that the topology needs: name, key, partitions, settings. No broker is asked."""
    specs = wanted_topics(load(topologies, options).topology)
    if as_json:
        report.current().answer([_as_dict(spec) for spec in specs])
        return
    made = table("topic", "partitions", "key", "settings", numbers=1)
    for spec in specs:
        made.add_row(spec.name, str(spec.partitions), spec.key, " ".join(f"{k}={v}" for k, v in spec.config.items()))
    console().print(made)


@app.command()
@with_run_options("bootstrap", "kafka", "env_file")
def apply(topologies: Topologies, as_json: Json = False, *, options: RunOptions) -> None:
    """Create the topics that are missing, then check all. What is there is never changed: see `topics check`."""
    require_broker(options)
    specs = wanted_topics(load(topologies, options).topology)
    admin = Admin(cluster(options))
    made = admin.create(specs)
    _answer(specs, made, admin.differences(specs), as_json=as_json)


@app.command()
@with_run_options("bootstrap", "kafka", "env_file")
def check(topologies: Topologies, as_json: Json = False, *, options: RunOptions) -> None:
    """Compare the topology's topics with the cluster's. Exit status 1 when anything differs."""
    require_broker(options)
    specs = wanted_topics(load(topologies, options).topology)
    _answer(specs, [], Admin(cluster(options)).differences(specs), as_json=as_json)


def cluster(options: RunOptions) -> Cluster:
    """The Kafka of a command line."""
    return Cluster.of(options)


def _answer(specs: Sequence[TopicSpec], made: list[str], found: list[Difference], *, as_json: bool) -> None:
    if as_json:
        differences = [{"topic": d.topic, "setting": d.setting, "expected": d.expected, "got": d.got} for d in found]
        report.current().answer({"created": made, "differences": differences})
    else:
        for name in made:
            typer.echo(f"created {name}")
        for difference in found:
            typer.echo(f"{difference}{_advice(difference)}", err=True)
        if not found:
            typer.echo(f"{len(specs)} topics are as the topology has them")
    if found:
        raise typer.Exit(1)


def _advice(difference: Difference) -> str:
    if difference.setting == "partitions":
        return " (never changed in place: keys would move; make a new topic, or set topics.partitions)"
    if difference.setting == "message.timestamp.type":
        return " (producers' clocks would decide what a repeat is; set it on the topic)"
    return ""


def _as_dict(spec: TopicSpec) -> dict[str, object]:
    return {"name": spec.name, "key": spec.key, "partitions": spec.partitions, "settings": dict(spec.config)}
