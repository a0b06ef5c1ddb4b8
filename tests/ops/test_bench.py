"""The benches that the README names run, and print their figures."""

from __future__ import annotations

import re
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


def test_the_latency_bench_tells_when_partners_accepted(kraft: KraftBroker) -> None:
    """A moment of it: route, delivery and a partner as processes of their own."""
    command = [sys.executable, "-m", "ops.bench.latency", "--rate", "100", "--seconds", "2", "--warm", "1"]

    ended = subprocess.run(
        [*command, "--batch", "100", "--partitions", "1", "--bootstrap", kraft.bootstrap],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(r"100 events/s: 190 of 190 arrived; (P\d\d \d+ ms, ){3}longest \d+ ms\n", ended.stdout)
