"""The bench that the README names runs, and prints a figure for each row and the ratio."""

from __future__ import annotations

import subprocess
import sys

from ops.kafka.kraft import KraftBroker


def test_the_route_bench_gives_a_figure_for_each_row_and_the_ratio(kraft: KraftBroker) -> None:
    """A small load through the bare loop and the chain, on a real Kafka."""
    command = [sys.executable, "-m", "ops.bench.route", "--events", "4000", "--rows", "bare-1,chain-1"]

    ended = subprocess.run(
        [*command, "--bootstrap", kraft.bootstrap], capture_output=True, text=True, timeout=300, check=False
    )

    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert [line.split(",")[0] for line in lines if "CPU s per million" in line] == ["bare loop", "chain"]
    assert lines[-1].endswith("of the bare loop")
