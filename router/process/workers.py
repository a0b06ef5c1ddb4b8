"""`router route --workers`: several route workers on one machine, as children, which share nothing but Kafka.

Each is a member of the route group with a slot of its own, so partitions and state are divided as between machines. One
that dies is started again and takes the slot that is free, its own, with the stores as they were left. kill -9 of this
process ends them all; the next start goes on where the committed offsets are.
"""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Event

from router.config.loader import Loaded
from router.config.options import AUTO, MOST_WORKERS, RunOptions
from router.config.topics import topics_of
from router.errors import RouterError, Stopped
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.ready import wait_ready
from router.process.child import ChildSpec
from router.process.child_group import ChildGroup
from router.process.logging import set_up
from router.process.reload import Reload
from router.process.run import register_secrets
from router.process.rundir import check_state
from router.process.serve import bind
from router.process.signals import reload_on_hangup, stop_on_signals

READY_SECONDS = 10.0
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_NAME = "route"

log = logging.getLogger(__name__)


def run_workers(reload: Reload[None], files: Sequence[Path], options: RunOptions, *, workers: int, engine: str) -> int:
    """Run so many workers (or AUTO) until SIGTERM or SIGINT. Returns the exit status: 3 without a broker at the start.

    Main thread only.
    """
    loaded, stop = reload.active, Event()
    try:
        set_up(_NAME, os.environ)
        register_secrets(loaded, options)
        with ExitStack() as stack:
            signals = stack.enter_context(stop_on_signals(stop))
            check_state(options.state)
            page = stack.enter_context(bind(options.metrics))
            cluster = Cluster.of(options)
            wait_ready(cluster, READY_SECONDS, stop)
            names = worker_names(started_workers(workers, loaded, cluster))
            group = ChildGroup(stack, _NAME, names)
            specs = [
                worker_spec(name, files, replace(options, metrics=at), engine) for name, at in group.addresses.items()
            ]
            supervisor, address = group.supervise(specs, page)
            signals.second = supervisor.force
            group.watch(supervisor)
            stack.enter_context(reload_on_hangup(reload.ask, supervisor.hangup))
            reload.use(lambda _: None, register=lambda new: register_secrets(new, options), at_once=True)
            stack.callback(reload.stop)
            log.info("started", extra={"metrics": "http://{}:{}/metrics".format(*address), "workers": len(names)})
            return supervisor.run(stop)
    except Stopped as stopped:
        log.info("%s", stopped)
        return stopped.status
    except RouterError as error:
        log.error("%s", error, extra={"status": error.status})
        return error.status


def worker_spec(name: str, files: Sequence[Path], options: RunOptions, engine: str) -> ChildSpec:
    """The command line of one worker. Its options are in the environment, where `ps` does not show their secrets."""
    command = [sys.executable, "-m", "router", "route", *map(str, files), "--engine", engine]
    return ChildSpec(name, command, options.for_child(name))


def worker_names(workers: int) -> list[str]:
    """Their names on the metrics page and in the logs."""
    return [f"{_NAME}-{number}" for number in range(1, workers + 1)]


def started_workers(wanted: int, loaded: Loaded, cluster: Cluster) -> int:
    """How many workers to start for the topology's topics as they are in the cluster. Raises Unavailable."""
    return worker_count(wanted, topics_of(loaded.topology, Admin(cluster).topics()).partitions)


def worker_count(wanted: int, partitions: int, cores: int | None = None) -> int:
    """How many to start. AUTO is one for each core, and none without a partition; a number is taken as it is."""
    if wanted == AUTO:
        return max(1, min(cores or usable_cores(), partitions, MOST_WORKERS))
    if wanted > partitions:
        log.warning("%d of %d workers wait for a partition: there are %d", wanted - partitions, wanted, partitions)
    return wanted


def usable_cores() -> int:
    """The cores that this process may use: those it is bound to, and no more than a container's CPU quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        return cores_within(bound, _QUOTA.read_text())
    except OSError:
        return bound


def cores_within(cores: int, quota: str) -> int:
    """`quota` is a control group's cpu.max: microseconds of CPU time in a period, or max, and the period."""
    allowed, _, period = quota.partition(" ")
    if not allowed.isdecimal() or not period.strip().isdecimal():
        return cores
    return max(1, min(cores, math.ceil(int(allowed) / int(period))))
