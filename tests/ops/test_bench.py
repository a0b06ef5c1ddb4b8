"""The benches that the README names run, and print a figure for each row and the ratio."""

from __future__ import annotations

import json
import subprocess
import sys

from ops.kafka.kraft import KraftBroker


def test_the_route_bench_gives_a_figure_for_each_row_and_the_ratio(kraft: KraftBroker) -> None:
    """A small load through the bare loop and the chain, on a real Kafka."""
    command = [sys.executable, "-m", "ops.bench.route", "--events", "4000", "--rows", "bare-1,chain-1-broken"]

    ended = subprocess.run(
        [*command, "--bootstrap", kraft.bootstrap], capture_output=True, text=True, timeout=300, check=False
    )

    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    rows = [line.split(",")[0] for line in lines if "CPU s per million" in line]
    assert rows == ["bare loop", "chain", "bare loop", "chain"]
    assert (lines.index("not counted:"), lines.index("counted:")) == (1, 4)
    assert lines[-1].endswith("of the bare loop")


def test_the_gateway_bench_gives_figures_beside_those_of_a_bare_server() -> None:
    command = [sys.executable, "-m", "ops.bench.gateway", "--events", "2000", "--connections", "4"]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert ended.returncode == 0, ended.stderr
    *rows, single, batched = ended.stdout.splitlines()
    assert [(row["server"], row["events_per_request"], row["refused"]) for row in map(json.loads, rows)] == [
        ("bare", 1, 0), ("bare", 50, 0), ("gateway", 1, 0), ("gateway", 50, 0),
    ]  # fmt: skip
    assert single.startswith("1 events a request: ")
    assert batched.startswith("50 events a request: ")
