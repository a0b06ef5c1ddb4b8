"""How fast `router import` puts the rows of a file into events.raw of a Kafka on the same machine, and how exactly.

usage: python -m ops.bench.history [--rows 1000000] [--format csv|ndjson] [--kills 0] [--bootstrap HOST:PORT]

A row of CSV has ten columns, of which a mapping file makes an identify call of about 450 bytes: three numbers, a time.
A line of NDJSON is that call. The clock runs from the command's start to its end, its start-up and the look at all of
the file's bytes included; CPU seconds are the command's own. With `--kills` it is killed by kill -9 so often, at equal
distances, and begun again each time. Every event is read from Kafka afterwards: each row must be there once, by its
userId, and each messageId once. Exit status 1 where that does not hold.
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

import orjson

from ops.kafka.kraft import BENCH_JVM, KraftBroker
from router.config.loader import load_topology
from router.config.topics import topics_of, wanted_topics
from router.destinations.registry import destination_types
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from router.kafka.span import span

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


def write_csv(path: Path, count: int) -> None:
    """Customers, each another one."""
    with path.open("w") as file:
        file.write(HEADER)
        for n in range(count):
            file.write(
                f"c{n:08},customer{n}@shop.example,Ann{n % 977},Smith{n % 1013},gold,{n % 50},{n % 9973 / 7:.2f},"
                f"0.{n % 1000:03},DE,2021-{n % 12 + 1:02}-{n % 28 + 1:02}T10:{n % 60:02}:00Z\n"
            )


def write_ndjson(path: Path, count: int) -> None:
    """The same customers, as an archive has them."""
    with path.open("wb") as file:
        for n in range(count):
            at = f"2021-{n % 12 + 1:02}-{n % 28 + 1:02}T10:{n % 60:02}:00.000Z"
            traits = {
                "email": f"customer{n}@shop.example",
                "name": f"Ann{n % 977} Smith{n % 1013}",
                "plan": "gold",
                "orders": n % 50,
                "revenue": round(n % 9973 / 7, 2),
                "score": n % 1000 / 1000,
                "country": "DE",
            }
            known = {"type": "identify", "messageId": f"m{n:08}", "userId": f"c{n:08}", "timestamp": at}
            file.write(orjson.dumps(known | {"sentAt": at, "receivedAt": at, "traits": traits}) + b"\n")


class Import:
    """Of one file into a topology of its own."""

    def __init__(self, folder: Path, bootstrap: str, form: str, rows: int) -> None:
        self.rows = rows
        name = f"bench-{uuid.uuid4().hex[:8]}"
        topology, mapping, file = folder / "topology.yaml", folder / "map.yaml", folder / f"rows.{form}"
        topology.write_text(TOPOLOGY.format(name=name))
        mapping.write_text(MAP)
        {"csv": write_csv, "ndjson": write_ndjson}[form](file, rows)
        loaded = load_topology([topology], env={}, registry=destination_types()).topology
        self._cluster = Cluster(bootstrap)
        self._admin = Admin(self._cluster)
        self._admin.create(wanted_topics(loaded))
        self._places = [(topics_of(loaded).raw, number) for number in range(3)]
        mapped = ["--map", str(mapping)] if form == "csv" else []
        self._command = [
            *(sys.executable, "-m", "router", "import", str(file), "--source", "past", *mapped),
            *("--topology", str(topology), "--bootstrap", bootstrap),
        ]

    def run_killed(self, kills: int) -> None:
        """The last run comes to its end."""
        for number in range(1, kills + 1):
            with subprocess.Popen(self._command) as process:
                while self._written() < self.rows * number / (kills + 1):
                    if process.poll() is not None:
                        raise SystemExit(f"expected an import to be killed, got one that ended: {process.returncode}")
                    time.sleep(0.05)
                process.kill()
            print(f"killed with {self._written()} records in the topic", flush=True)
        subprocess.run(self._command, check=True)

    def check(self) -> int:
        """The records, of which some may be of transactions that were aborted. Raises SystemExit."""
        users, ids, events = set[bytes](), set[bytes](), 0
        for topic, number in self._places:
            at = self._admin.watermarks([(topic, number)])[topic, number]
            for messages in span(self._cluster, topic, number, at.low, at.high):
                for message in messages:
                    body = orjson.loads(message.value() or b"")
                    users.add(body["userId"].encode())
                    ids.add(body["messageId"].encode())
                    events += 1
        if not events == len(users) == len(ids) == self.rows:
            raise SystemExit(f"{self.rows} rows, {events} events, {len(users)} users, {len(ids)} messageIds")
        return events

    def _written(self) -> int:
        return sum(at.high for at in self._admin.watermarks(self._places).values())


def measured(one: Import, kills: int) -> str:
    """The figures of one import, in a line."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    one.run_killed(kills)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows = one.check()
    speed = f"{rows / seconds:,.0f} rows/s, {cpu / rows * 1e6:.1f} CPU s per million"
    return f"{rows} rows in {seconds:.1f} s: {speed}; each once, killed {kills} times"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", choices=("csv", "ndjson"), default="csv")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--bootstrap", default="")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bootstrap = given.bootstrap or stack.enter_context(KraftBroker(jvm=BENCH_JVM)).bootstrap
        print(measured(Import(folder, bootstrap, given.format, given.rows), given.kills))


if __name__ == "__main__":
    main()
