"""`router up`, or `route --workers`, with children that only count: `python -m tests.process.fake_up up TOPOLOGY …`.

All is real but what the children do: processes, parent-death signals, sockets, embedded broker, pages, signals.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

from router import metrics
from router.agents.table import ROUTE_TOTALS
from router.cli import main
from router.config.environment import environment
from router.config.loader import load_topology
from router.config.options import RunOptions, from_supervisor
from router.destinations.registry import destination_types
from router.process import up, workers
from router.process.child import ChildSpec
from router.process.health import Health
from router.process.run import run_process

REAL, REAL_WORKER = up.child_spec, workers.worker_spec


def fake_spec(name: str, files: Sequence[Path], options: RunOptions) -> ChildSpec:
    """The real child's environment with a command of ours."""
    return faked(REAL(name, files, options), files)


def fake_worker(name: str, files: Sequence[Path], options: RunOptions, engine: str) -> ChildSpec:
    return faked(REAL_WORKER(name, files, options, engine), files)


def faked(real: ChildSpec, files: Sequence[Path]) -> ChildSpec:
    return replace(real, command=[sys.executable, "-m", "tests.process.fake_up", "child", real.name, str(files[0])])


def child(name: str, file: str) -> int:
    """Counts what its name says."""
    loaded = load_topology([Path(file)], env=environment(), registry=destination_types())
    options = from_supervisor(os.environ)
    assert options is not None

    def work(stop: Event, health: Health) -> None:
        if name == "gateway":
            metrics.GATEWAY_EVENTS.labels("web", "accepted").inc(10)
        if name == "route":
            counts = {"received": 7, "invalid": 1, "blocked": 0, "duplicate": 0, "resolved": 6}
            totals = {f"router_events_{what}": count for what, count in counts.items()}
            ROUTE_TOTALS.show(("events.raw", "0"), totals)
            metrics.ROUTED_TOTALS.show(("lake", "events.raw", "0"), {"router_events_routed": 6})
        if name == "deliver":
            metrics.DELIVERY_TOTALS.show(("lake", "0"), {"router_delivery_delivered": 4, "router_delivery_dead": 0})
        written = options.state / f"{name}.pid.new"
        written.write_text(str(os.getpid()))
        written.replace(options.state / f"{name}.pid")  # whoever looks sees the whole of it
        health.ready("kafka", True)
        stop.wait()

    return run_process(name.partition("-")[0], loaded, options, work)


if __name__ == "__main__":
    if sys.argv[1] == "child":
        sys.exit(child(sys.argv[2], sys.argv[3]))
    up.child_spec, workers.worker_spec = fake_spec, fake_worker
    sys.exit(main(sys.argv[1:]))
