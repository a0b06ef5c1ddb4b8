"""How fast `router import` puts the rows of a CSV file into events.raw of a Kafka on the same machine.

usage: python -m ops.bench.history [--rows 1000000] [--bootstrap HOST:PORT]

A row has ten columns, of which a mapping file makes an identify call of about 450 bytes: three numbers, a time. The
clock runs from the command's start to its end, its start-up and the look at the whole file's bytes included; CPU
seconds are the command's own. The rows are counted in Kafka afterwards.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from pathlib import Path

from ops.kafka.kraft import BENCH_JVM, KraftBroker
from router.config.loader import load_topology
from router.config.topics import topics_of, wanted_topics
from router.destinations.registry import destination_types
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster

TOPOLOGY = "name: {name}\ntopics: {{prefix: {name}., partitions: 3}}\nsources: {{past: {{write_keys: [bench]}}}}\n"
MAP = """\
type: {value: identify}
userId: customer_id
timestamp: {path: created_at, as: iso8601}
traits.email: email
traits.name: {template: "{first_name} {last_name}"}
traits.plan: plan
traits.orders: {path: orders, as: number}
traits.revenue: {path: revenue, as: number}
traits.score: {path: score, as: number}
traits.country: country
"""
HEADER = "customer_id,email,first_name,last_name,plan,orders,revenue,score,country,created_at\n"


def write_rows(path: Path, count: int) -> None:
    """Customers, each another one."""
    with path.open("w") as file:
        file.write(HEADER)
        for n in range(count):
            file.write(
                f"c{n:08},customer{n}@shop.example,Ann{n % 977},Smith{n % 1013},gold,{n % 50},{n % 9973 / 7:.2f},"
                f"0.{n % 1000:03},DE,2021-{n % 12 + 1:02}-{n % 28 + 1:02}T10:{n % 60:02}:00Z\n"
            )


def run(folder: Path, bootstrap: str, rows: int) -> str:
    """The figures of one import, in a line."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    topology, mapping, file = folder / "topology.yaml", folder / "map.yaml", folder / "rows.csv"
    topology.write_text(TOPOLOGY.format(name=name))
    mapping.write_text(MAP)
    write_rows(file, rows)
    loaded = load_topology([topology], env={}, registry=destination_types()).topology
    admin = Admin(Cluster(bootstrap))
    admin.create(wanted_topics(loaded))
    command = ["import", str(file), "--source", "past", "--map", str(mapping), "--topology", str(topology)]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "router", *command, "--bootstrap", bootstrap], check=True)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    raw = topics_of(loaded).raw
    there = sum(at.high for at in admin.watermarks([(raw, number) for number in range(3)]).values())
    if there < rows:
        raise SystemExit(f"expected {rows} rows in {raw}, got {there}")
    return f"{rows} rows in {seconds:.1f} s: {rows / seconds:,.0f} rows/s, {cpu / rows * 1e6:.1f} CPU s per million"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--bootstrap", default="")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bootstrap = given.bootstrap or stack.enter_context(KraftBroker(jvm=BENCH_JVM)).bootstrap
        print(run(folder, bootstrap, given.rows))


if __name__ == "__main__":
    main()
