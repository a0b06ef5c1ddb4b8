"""The benches of latency and delivery run and print their figures; on a Kafka of its own, for its topics' sake."""

from __future__ import annotations

import re
import subprocess
import sys

from ops.kafka.kraft import KraftBroker


def test_the_latency_bench_tells_when_partners_accepted(kraft: KraftBroker) -> None:
    """A moment of it: route, delivery and a partner as processes of their own."""
    command = [sys.executable, "-m", "ops.bench.latency", "--rate", "100", "--seconds", "2", "--warm", "1"]

    ended = subprocess.run(
        [*command, "--batch", "100", "--partitions", "1", "--bootstrap", kraft.bootstrap],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(r"100 events/s: 190 of 190 arrived; (P\d\d \d+ ms, ){3}longest \d+ ms\n", ended.stdout)


def test_the_bench_of_delivery_tells_how_fast_it_is(kafka: str) -> None:
    command = [sys.executable, "-m", "ops.bench.delivery", "--events", "300", "--batches", "1", "100"]
    command += ["--bootstrap", kafka]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert ended.returncode == 0, ended.stderr
    row = r"a request: [\d,]+ events/s, \d+ CPU seconds per million\n"
    assert re.fullmatch(rf"1 {row}100 {row}", ended.stdout)


def test_the_bench_of_transactions_tells_what_one_costs(kafka: str) -> None:
    command = [sys.executable, "-m", "ops.bench.transaction", "--partitions", "1", "2", "--count", "6"]
    command += ["--bootstrap", kafka]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert ended.returncode == 0, ended.stderr
    steps = ", ".join(rf"{step} \d+\.\d" for step in ("begin", "produce", "offsets", "flush", "commit"))
    assert re.fullmatch(rf"(?:[36] partitions written: \d+\.\d ms \({steps}\)\n){{2}}", ended.stdout)
