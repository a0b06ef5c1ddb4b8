"""Everything on one machine: the broker if none is named, its topics, and gateway, route, delivery, pull as children.

Children are `python -m router …` with this command's options in their environment. Each child follows the topology's
files by itself; this process makes the topics that they need then, and starts `pull` when the first source of type sql
is added. kill -9 of this process ends the children and the embedded broker; with a broker of your own the next start
goes on where the committed offsets are.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Event

from router.config.loader import Loaded
from router.config.options import Address, RunOptions
from router.config.pulled import SqlSettings
from router.config.topics import owned_topics, wanted_topics
from router.embedded.broker import EmbeddedBroker
from router.errors import RouterError, Stopped, Unavailable, UsageError
from router.events.topics import REGISTRY
from router.kafka.admin import Admin, Difference
from router.kafka.cluster import Cluster
from router.kafka.owners import Owners
from router.kafka.ready import wait_ready
from router.process.child import ChildSpec, describe
from router.process.child_group import ChildGroup
from router.process.logging import set_up
from router.process.merge import SUPERVISOR, Children, merged
from router.process.reload import Reload
from router.process.run import register_secrets
from router.process.rundir import check_state, run_directory
from router.process.serve import bind
from router.process.signals import StopSignals, reload_on_hangup, stop_on_signals
from router.process.snapshot import Snapshot, snapshot
from router.process.workers import READY_SECONDS, started_workers, worker_names

CONSOLE = "console"
INSIGHTS_PROCESS = "insights"
PULL = "pull"
_DECISIVE = ("partitions", "message.timestamp.type")  # settings that the guarantees rest on

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """What runs: the topology, the options with the addresses and the state folder in use, and the guarantee."""

    loaded: Loaded
    options: RunOptions
    guarantee: str


def run_up(
    reload: Reload[None], files: Sequence[Path], options: RunOptions, *, workers: int,
    announce: Callable[[Running], None],
) -> int:  # fmt: skip
    """Run all until SIGTERM or SIGINT, `announce` once requests are taken. Returns the exit status: 3 when the embedded
    broker died. `workers` may be AUTO. Main thread only.
    """
    set_up("up", os.environ)
    register_secrets(reload.active, options)
    stop = Event()
    with ExitStack() as stack:
        signals = stack.enter_context(stop_on_signals(stop))
        try:
            return _run(
                stack,
                signals,
                stop,
                reload,
                files,
                options,
                workers,
                announce,
            )
        except Stopped as stopped:
            log.info("%s", stopped)
            return stopped.status


def _run(
    stack: ExitStack, signals: StopSignals, stop: Event, reload: Reload[None], files: Sequence[Path],
    options: RunOptions, workers: int, announce: Callable[[Running], None],
) -> int:  # fmt: skip
    loaded = reload.active
    check_state(options.state)
    server_socket = stack.enter_context(bind(options.metrics))
    options = replace(options, gateway=_free(options.gateway), console=_console_address(options.console))
    options = _with_insights(stack, options)
    broker, options = stack.enter_context(_broker(loaded, options, stop))
    names = [
        *child_names(started_workers(workers, loaded, Cluster.of(options)), pulls=_has_rows(loaded)),
        *([INSIGHTS_PROCESS] if options.insights else []),
        *([CONSOLE] if options.console else []),
    ]
    pages: tuple[Address, ...] = (server_socket.getsockname()[:2],)
    group = ChildGroup(stack, SUPERVISOR, names, optional=frozenset({INSIGHTS_PROCESS, PULL}))

    def spec(name: str, page: Address) -> ChildSpec:
        return child_spec(name, files, replace(options, metrics=page, pages=pages))

    specs = [spec(name, page) for name, page in group.addresses.items()]
    counts = _Counts(group.children)
    supervisor, address = group.supervise(
        specs, server_socket, outage=lambda: _outage(broker, counts), ending=counts.take
    )
    signals.second = supervisor.force
    guarantee = "at_least_once" if options.embedded else loaded.topology.guarantee
    running = Running(loaded, replace(options, metrics=address), guarantee)
    group.watch(supervisor, serves=lambda: announce(running))
    stack.enter_context(reload_on_hangup(reload.ask, supervisor.hangup))
    cluster = Cluster.of(options)
    reload.use(
        lambda new: _renew(new, cluster, broker, group, partial(spec, PULL)),
        register=lambda new: register_secrets(new, options),
        at_once=True,
    )
    stack.callback(reload.stop)
    status = supervisor.run(stop)
    if broker is not None and broker.alive and counts.taken is not None and counts.taken.not_final:
        log.warning("gone with the embedded broker: at most %d events not yet final", counts.taken.not_final)
    return status


def child_names(workers: int, *, pulls: bool = False) -> list[str]:
    """Processes of a topology. Delivery runs without destinations too: the first one may be added any time."""
    routes = ["route"] if workers == 1 else worker_names(workers)
    return ["gateway", *routes, "deliver", *([PULL] if pulls else [])]


def _with_insights(stack: ExitStack, options: RunOptions) -> RunOptions:
    """The address of insights with a port that is held here; none where it is off or cannot run."""
    if options.insights is None or not counts_over_time(options):
        return replace(options, insights=None)
    held = stack.enter_context(bind(options.insights, shared=True))
    return replace(options, insights=held.getsockname()[:2])


def counts_over_time(options: RunOptions) -> bool:
    """Whether insights can run: its extra is installed, and Faust takes these settings of Kafka."""
    secured = any(key.startswith(("sasl.", "ssl.", "security.")) for key in options.kafka)
    return not secured and all(find_spec(name) is not None for name in ("faust", "datasketches"))


def child_spec(name: str, files: Sequence[Path], options: RunOptions) -> ChildSpec:
    """The command line of a child. Its options are in the environment, where `ps` does not show their secrets."""
    command = [sys.executable, "-m", "router", name.partition("-")[0]]
    if name == PULL:
        command += ["--follow", *(word for file in files for word in ("--topology", str(file)))]
    else:
        command += map(str, files)
    return ChildSpec(name, command, options.for_child(name))


@contextmanager
def _broker(loaded: Loaded, options: RunOptions, stop: Event) -> Iterator[tuple[EmbeddedBroker | None, RunOptions]]:
    """The broker with the topology's topics: the one that is named, else an embedded one with state of its own."""
    if options.bootstrap:
        prepare_topics(loaded, Cluster.of(options), stop)
        yield None, options
        return
    topics = {spec.name: spec.partitions for spec in (*wanted_topics(loaded.topology), REGISTRY)}
    with run_directory(options.state) as state, EmbeddedBroker() as broker:
        started = replace(options, bootstrap=broker.start(topics), embedded=True, state=state)
        claim_topics(loaded, Cluster.of(started))
        yield broker, started


def prepare_topics(loaded: Loaded, cluster: Cluster, stop: Event) -> None:
    """Make missing topics and claim all. Raises RouterError when one is there in a form that breaks the guarantees, or
    belongs to another topology; other differences are warnings.
    """
    wait_ready(cluster, READY_SECONDS, stop)
    Owners(cluster).check(loaded.topology.name, owned_topics(loaded.topology))
    admin = Admin(cluster)
    specs = wanted_topics(loaded.topology, admin.topics())
    for name in admin.create(specs):
        log.info("created topic %s", name)
    claim_topics(loaded, cluster)
    differences = admin.differences(specs)
    for difference in differences:
        log.warning("%s", difference)
    decisive = [difference for difference in differences if _decisive(difference)]
    if decisive:
        raise RouterError("topics are not as the topology needs them:\n" + "\n".join(map(str, decisive)))


def _has_rows(loaded: Loaded) -> bool:
    """Whether a source asks a database for its events."""
    return any(isinstance(settings, SqlSettings) for settings in loaded.source_settings.values())


def _renew(
    loaded: Loaded, cluster: Cluster, broker: EmbeddedBroker | None, group: ChildGroup,
    pull: Callable[[Address], ChildSpec],
) -> None:  # fmt: skip
    """What a changed topology needs of this process; the rest is for the children, which read the same files."""
    make_topics(loaded, cluster, broker)
    if _has_rows(loaded) and PULL not in group.children.names:
        group.add(pull)


def make_topics(loaded: Loaded, cluster: Cluster, broker: EmbeddedBroker | None) -> None:
    """Make the topics that a running topology has come to need. Raises RouterError when they cannot be made."""
    admin = Admin(cluster)
    there = admin.topics()
    specs = wanted_topics(loaded.topology, there)
    if broker is None:
        made = admin.create(specs)
    else:
        missing = {spec.name: spec.partitions for spec in specs if spec.name not in there}
        broker.create_topics(missing)
        made = list(missing)
    for name in made:
        log.info("created topic %s", name)
    claim_topics(loaded, cluster)


def claim_topics(loaded: Loaded, cluster: Cluster) -> None:
    """Write down that the topology's topics are its own. Raises RouterError when one belongs to another topology."""
    Owners(cluster).claim(loaded.topology.name, owned_topics(loaded.topology))


def _decisive(difference: Difference) -> bool:
    return difference.setting in _DECISIVE or difference.setting == "topic"


def _free(address: Address) -> Address:
    """The address with a real port. Raises UsageError when it is taken, before anything has been started."""
    with bind(address) as probe:
        port: int = probe.getsockname()[1]
    return address[0], port


def _console_address(wanted: Address | None) -> Address | None:
    """Where the web console listens: as wanted, else on a port that is free, since nobody's events depend on it."""
    if wanted is None:
        return None
    try:
        return _free(wanted)
    except UsageError as error:
        log.warning("%s: the console takes another port", error)
        return _free((wanted[0], 0))


class _Counts:
    """The totals as they last were; `taken` are those at the beginning of the end."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self.taken: Snapshot | None = None

    def take(self) -> Snapshot:
        """Ask all children; those that no longer answer count with their last page."""
        if self.taken is None:
            self._children.pages()
            self.taken = snapshot(merged(self._children.last))
        return self.taken


def _outage(broker: EmbeddedBroker | None, counts: _Counts) -> RouterError | None:
    if broker is None or broker.alive:
        return None
    left = counts.take()
    how = describe(broker.returncode or 0)
    return Unavailable(
        f"the embedded broker {how}; {left.not_final} events were not yet final "
        f"({left.not_routed} not yet routed, {left.not_final - left.not_routed} deliveries open)"
    )
