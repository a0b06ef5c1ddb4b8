"""`router topics`: a topology's topics as they should be, made where they are missing, compared with the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from router.cli import report
from router.cli.loading import load, named_cluster, require_broker
from router.cli.options import Json, Topologies, with_run_options
from router.cli.screen import console, table
from router.config.options import RunOptions
from router.config.topics import owned_topics, wanted_topics
from router.events.topics import TopicSpec
from router.kafka.admin import Admin, Difference
from router.kafka.cluster import Cluster
from router.kafka.owners import Owners

TakeOver = Annotated[
    str,
    typer.Option("--take-over", metavar="TOPOLOGY", help="Take the topics over from a topology that this one replaces"),
]
app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Show, create or check the topics of a topology."""


@app.command()
@with_run_options("env_file")
def show(topologies: Topologies, as_json: Json = False, *, options: RunOptions) -> None:
    """Show every topic that the topology needs: name, key, partitions, settings. No broker is asked."""
    specs = wanted_topics(load(topologies, options, secrets=False).topology)
    if as_json:
        report.current().answer([_as_dict(spec) for spec in specs])
        return
    made = table("topic", "partitions", "key", "settings", numbers=1)
    for spec in specs:
        made.add_row(spec.name, str(spec.partitions), spec.key, " ".join(f"{k}={v}" for k, v in spec.config.items()))
    console().print(made)


@app.command()
@with_run_options("bootstrap", "kafka", "env_file")
def apply(topologies: Topologies, as_json: Json = False, take_over: TakeOver = "", *, options: RunOptions) -> None:
    """Create the topics that are missing, claim all for this topology, then check them. Existing topics are never
    changed: see `topics check`. Topics of another topology are refused.
    """
    require_broker(options)
    topology = load(topologies, options, secrets=False).topology
    admin, owners = Admin(cluster(options)), Owners(cluster(options))
    specs, owned = wanted_topics(topology, admin.topics()), owned_topics(topology)
    if not take_over:
        owners.check(topology.name, owned)
    made = admin.create(specs)
    owners.claim(topology.name, owned, take_over=take_over)
    _answer(specs, made, admin.differences(specs), as_json=as_json)


@app.command()
@with_run_options("bootstrap", "kafka", "env_file")
def check(topologies: Topologies, as_json: Json = False, *, options: RunOptions) -> None:
    """Compare the topology's topics with the cluster's. Exit status 1 when anything differs."""
    require_broker(options)
    topology = load(topologies, options, secrets=False).topology
    admin = Admin(cluster(options))
    specs = wanted_topics(topology, admin.topics())
    foreign = Owners(cluster(options)).foreign(topology.name, owned_topics(topology))
    differences = [Difference(topic, "topology", topology.name, owner) for topic, owner in foreign.items()]
    _answer(specs, [], differences + admin.differences(specs), as_json=as_json)


def cluster(options: RunOptions) -> Cluster:
    """The Kafka of a command line."""
    return named_cluster(options)


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
    if difference.setting == "topology":
        return " (set topics.prefix, or take it over with `router topics apply --take-over`)"
    if difference.setting == "message.timestamp.type":
        return " (producers' clocks would decide what a repeat is; set it on the topic)"
    return ""


def _as_dict(spec: TopicSpec) -> dict[str, object]:
    return {"name": spec.name, "key": spec.key, "partitions": spec.partitions, "settings": dict(spec.config)}
