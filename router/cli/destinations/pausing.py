"""`router destinations pause` and `resume`: deliveries stop and go on, whatever process delivers."""

from __future__ import annotations

import getpass
import socket
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli import report
from router.cli.loading import load, named_cluster, only_topology, require_broker
from router.cli.options import Json, TopologyOption, with_run_options
from router.config.options import RunOptions

if TYPE_CHECKING:
    from router.delivery.pauses import Pause
    from router.events.topics import Topics
    from router.kafka.cluster import Cluster

Names = Annotated[list[str], typer.Argument(metavar="NAME…", help="Destinations of the topology that are enabled.")]


@with_run_options("bootstrap", "kafka", "env_file")
def pause(
    names: Names,
    why: Annotated[str, typer.Option("--why", help="Shown by `router status` beside who paused it and when.")] = "",
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Stop delivering to these destinations until they are resumed.

    Every delivery process obeys within seconds, and a restart keeps the pause. What is under way ends; everything else
    waits in the destination's topic, and nothing is lost as long as the topic keeps it (`topics: {retention: …}`).
    """
    from router.delivery.pauses import pause_now

    _change(names, topology, options, pause_now(_who(), why), as_json=as_json)


@with_run_options("bootstrap", "kafka", "env_file")
def resume(
    names: Names,
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    as_json: Json = False,
    *,
    options: RunOptions,
) -> None:
    """Deliver again to destinations that were paused.

    A destination that is held back because its partner is down or refuses the credentials needs no command: the
    partner is asked again at least every ten seconds (`router status`).
    """
    _change(names, topology, options, None, as_json=as_json)


def _change(
    names: list[str], topology: TopologyOption, options: RunOptions, to: Pause | None, *, as_json: bool
) -> None:
    from router.config.topics import topics_of
    from router.delivery.pauses import read_pauses, write_pause
    from router.delivery.run import check_names
    from router.embedded.broker import recognised
    from router.errors import RouterError

    require_broker(options)
    loaded = load(topology or only_topology(), options, secrets=False)
    check_names(loaded.topology, names)
    cluster, topics = recognised(named_cluster(options)), topics_of(loaded.topology)
    known, read = read_pauses(cluster, topics.control)
    if read is None:
        raise RouterError(f"expected the topic {topics.control}: make it with `router topics apply`")
    rows = []
    for name in dict.fromkeys(names):
        before = known.get(name)
        changed = (before is None) != (to is None)
        if changed:
            write_pause(cluster, topics.control, name, to)
        now = to if changed else before
        rows.append({"name": name, "changed": changed, "paused": asdict(now) if now else None})
        if not as_json:
            typer.echo(f"{name}: {_words(name, before, to)}{_waiting(cluster, topics, name) if to else ''}")
    if as_json:
        report.current().answer(rows)


def _words(name: str, before: Pause | None, to: Pause | None) -> str:
    if to is not None:
        return f"{before}, as before" if before else f"paused; go on with `router destinations resume {name}`"
    return f"resumed; it was {before}" if before else "is not paused; `router status` says why it may be held back"


def _waiting(cluster: Cluster, topics: Topics, name: str) -> str:
    from router.kafka.admin import Admin

    lag = sum(Admin(cluster).lag(topics.deliver_group(name), [topics.destination(name)]).values())
    return f"\n  {lag} messages wait in {topics.destination(name)} now"


def _who() -> str:
    """The user and the machine, as the operating system knows them."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
