"""The benches of latency, delivery and transactions print their figures; that of latency on a Kafka of its own."""

from __future__ import annotations

import re
import subprocess
import sys

from ops.kafka.kraft import KraftBroker


def figures(bench: str, *arguments: str, bootstrap: str) -> str:
    """What a bench prints."""
    command = [sys.executable, "-m", f"ops.bench.{bench}", *arguments, "--bootstrap", bootstrap]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_latency_bench_tells_when_partners_accepted(kraft: KraftBroker) -> None:
    """A moment of it: route, delivery and a partner as processes of their own."""
    moment = ["--rate", "100", "--seconds", "2", "--warm", "1", "--batch", "100", "--partitions", "1"]

    found = figures("latency", *moment, bootstrap=kraft.bootstrap)

    assert re.fullmatch(r"100 events/s: 190 of 190 arrived; (P\d\d \d+ ms, ){3}longest \d+ ms\n", found)


def test_the_bench_of_delivery_tells_how_fast_it_is(kafka: str) -> None:
    found = figures("delivery", "--events", "300", "--batches", "1", "100", bootstrap=kafka)

    row = r"a request: [\d,]+ events/s, \d+ CPU seconds per million\n"
    assert re.fullmatch(rf"1 {row}100 {row}", found)


def test_the_bench_of_transactions_tells_what_one_costs(kafka: str) -> None:
    found = figures("transaction", "--partitions", "1", "2", "--count", "6", bootstrap=kafka)

    steps = ", ".join(rf"{step} \d+\.\d" for step in ("begin", "produce", "offsets", "flush", "commit"))
    assert re.fullmatch(rf"(?:[36] partitions written: \d+\.\d ms \({steps}\)\n){{2}}", found)
