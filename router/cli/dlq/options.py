"""What the commands of `router dlq` share: which destinations, which dead letters, and where they are."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Annotated, Any

import typer

from router.cli.loading import load, named_cluster, only_topology, require_broker
from router.cli.options import TopologyOption, with_run_options
from router.config.loader import Loaded
from router.config.models import Topology
from router.config.options import RunOptions
from router.config.topics import topics_of
from router.document import nearest
from router.embedded.broker import recognised
from router.errors import RouterError
from router.events.topics import Topics
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.mask import Mask
from router.process.run import secrets
from router.replay.dead_letters import DeadLetter, Place, ends, letters
from router.replay.redrive_log import RedriveLog
from router.replay.selection import Selection, selection


@dataclass(frozen=True)
class Chosen:
    """The destinations of a command line, the dead letters that it selects, and where they stand."""

    cluster: Cluster
    loaded: Loaded
    topics: Topics
    mask: Mask
    destinations: Sequence[str]
    selection: Selection

    @cached_property
    def redrive_log(self) -> RedriveLog:
        dead = {name: self.topics.dead(name) for name in self.destinations}
        return RedriveLog(self.cluster, self.topics.redrives, dead)

    @cached_property
    def redriven(self) -> Container[Place]:
        """Letters that have been redriven, as of when this is first asked."""
        return self.redrive_log.read()

    def letters(self, destination: str) -> Iterator[DeadLetter]:
        """The selected dead letters of a destination up to the present end of its topic."""
        topic = self.topics.dead(destination)
        found = letters(self.cluster, destination, topic, ends(Admin(self.cluster), topic))
        return (letter for letter in found if self.selection.matches(letter))


def _choose(
    options: RunOptions,
    destinations: Annotated[
        list[str], typer.Argument(metavar="[DEST…]", help="Destinations of the topology; default: all.")
    ] = [],  # noqa: B006  typer copies it
    topology: TopologyOption = [],  # noqa: B006
    reason: Annotated[
        list[str], typer.Option("--reason", metavar="REASON", help="With this error-code, such as 400; repeatable.")
    ] = [],  # noqa: B006
    event: Annotated[list[str], typer.Option("--event", metavar="EVENT", help="Of this name; repeatable.")] = [],  # noqa: B006
    source: Annotated[list[str], typer.Option("--source", metavar="SOURCE", help="Of this source; repeatable.")] = [],  # noqa: B006
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Given up at or after this time, or an age such as 1h.")
    ] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="Given up before this time.")] = "",
    message_id: Annotated[list[str], typer.Option("--id", metavar="ID", help="With this messageId; repeatable.")] = [],  # noqa: B006
    where: Annotated[str, typer.Option("--where", metavar="FQL", help="Events for which this condition holds.")] = "",
) -> Chosen:
    require_broker(options)
    wanted = selection(
        reasons=frozenset(reason), events=frozenset(event), sources=frozenset(source), ids=frozenset(message_id),
        since=since, until=until, where=where, now=int(time.time() * 1000),
    )  # fmt: skip
    loaded = load(topology or only_topology(), options)
    mask = Mask(loaded.topology.mask, secrets(loaded, options))
    cluster, topics = recognised(named_cluster(options)), topics_of(loaded.topology)
    return Chosen(cluster, loaded, topics, mask, _known(cluster, topics, loaded.topology, destinations), wanted)


def _known(cluster: Cluster, topics: Topics, topology: Topology, asked: Sequence[str]) -> list[str]:
    """The destinations that are asked for, else all, also those that are switched off. Raises RouterError."""
    for name in asked:
        if name not in topology.destinations:
            hint = nearest(name, topology.destinations)
            what = f"expected a destination of {topology.name}, got {name}"
            if topics.dead(name) in Admin(cluster).topics():
                what += (
                    f", which is gone: {topics.dead(name)} is there, but only a destination of the topology has rules"
                )
            raise RouterError(what + (f" (did you mean {hint}?)" if hint else ""))
    return list(dict.fromkeys(asked)) or list(topology.destinations)


def with_dead_letters(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the arguments above (all, or those named) and hand over what they choose as `chosen`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        shared = dict(inspect.signature(_choose, eval_str=True).parameters)
        options = shared.pop("options")
        chosen = {name: shared[name] for name in ("destinations", "topology", *names)} if names else shared
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "chosen"]

        @wraps(command)
        def wrapper(*, options: RunOptions, **given: Any) -> None:
            command(**{p.name: given.pop(p.name) for p in own}, chosen=_choose(options, **given))

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*chosen.values(), *own, options)]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        return with_run_options("bootstrap", "kafka", "env_file")(wrapper)

    return decorate
