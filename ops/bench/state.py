"""What a worker's state costs as it grows: microseconds an event, bytes on disk and in memory an id.

Run: python -m ops.bench.state [--ids 1e6 10e6 50e6] [--links 1e5 1e6] [--batch 2000] [--repeats even|recent]

The window: batches of ids spread over 24 hours of receive time, one in twenty a repeat: `even` draws it from all ids so
far (the worst case), `recent` from the last thousand batches (retries of real traffic are seconds to minutes old).
`cpu` is the calling thread's time, `wall` includes waiting for the disk and for other processes, `process` is the whole
process with RocksDB's own threads. Other work on the machine raises all of them, caches being shared.
The replica: batches in which one event in ten brings a new link; `hit` is an event whose identifiers were seen lately,
`link` a new one: found, packed, applied and resolved, without Kafka's part.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import psutil

from router.dedupe.changelog import pack
from router.dedupe.window import Rows
from router.dedupe.window_rocksdb import RocksWindow
from router.identity import Identifiers, IdentityRules, Replica, link, pack_facts
from router.identity.store_rocksdb import RocksIdentityStore
from router.state.rocks import size_of
from router.worker.build import calm_collector

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000
REPEAT = 20
RECENT_BATCHES = 1000
T = TypeVar("T")


@dataclass
class Timer:
    """Time of the calling thread and on the wall, in seconds, over many calls."""

    cpu: float = 0.0
    wall: float = 0.0
    worst: float = field(default=0.0)

    def run(self, call: Callable[[], T]) -> T:
        wall, cpu = time.perf_counter(), time.thread_time()
        answer = call()
        self.cpu += time.thread_time() - cpu
        took = time.perf_counter() - wall
        self.wall += took
        self.worst = max(self.worst, took)
        return answer


def batch_of(size: int, known: Sequence[bytes], chance: random.Random) -> list[bytes]:
    """New random keys, one in twenty replaced by an old one."""
    joined = os.urandom(16 * size)
    keys = [joined[at : at + 16] for at in range(0, 16 * size, 16)]
    for place in range(0, size if known else 0, REPEAT):
        keys[place] = known[chance.randrange(len(known))]
    return keys


def rss() -> int:
    return int(psutil.Process().memory_info().rss)


def window_row(ids: int, size: int, folder: Path, *, recent: bool) -> list[str]:
    """Fill a window with `ids` ids within its 24 hours and measure on the way."""
    chance = random.Random(1)
    empty = rss()
    window = RocksWindow.open(folder / "window", "bench", "bench", window_ms=DAY_MS)
    look, write, late = Timer(), Timer(), Timer()
    known: MutableSequence[bytes] = deque(maxlen=RECENT_BATCHES) if recent else []
    making, record = time.process_time(), 0
    for done in range(0, ids, size):
        now = START_MS + DAY_MS * done // ids
        before = time.process_time()
        keys = batch_of(size, known, chance)
        making += time.process_time() - before
        timer = late if done > 0.9 * ids else look
        found = timer.run(lambda keys=keys, now=now: window.first_seen(keys, now))  # type: ignore[misc]
        new = [key for key, first in zip(keys, found, strict=True) if first is None]
        rows = Rows.of(new, [now] * len(new), [key[:2] for key in new])
        write.run(lambda rows=rows, done=done: window.write(rows, {0: done}))  # type: ignore[misc]
        record = record or len(*pack(rows, [len(rows)])) // len(rows)
        known.append(new[0])
    process = time.process_time() - making
    size_on_disk = size_of(folder / "window")
    memory = rss() - empty
    closing = Timer()
    closing.run(window.close)
    builder = Timer()
    window = builder.run(lambda: RocksWindow.open(folder / "window", "bench", "bench", window_ms=DAY_MS))
    window.close()
    return [
        f"{ids / 1e6:g}",
        f"{per_id(look.cpu, 0.9 * ids)}",
        f"{per_id(late.cpu, 0.1 * ids)}",
        f"{per_id(write.cpu, ids)}",
        f"{per_id(look.wall + late.wall + write.wall, ids)}",
        f"{per_id(process, ids)}",
        f"{1000 * write.worst:.0f}",
        f"{size_on_disk / ids:.0f}",
        f"{memory / ids:.1f}",
        f"{record}",
        f"{closing.wall:.2f}",
        f"{builder.wall:.2f}",
    ]


def replica_row(links: int, size: int, folder: Path) -> list[str]:
    """Grow a replica to `links` links, two devices a user, and measure hits and links at the end."""
    empty = rss()
    replica = Replica(RocksIdentityStore.open(folder / "identity", "bench", "bench"), IdentityRules())
    late, hit = Timer(), Timer()
    measured = packed = 0
    for done in range(0, links, size // 10):
        events = [pair(number) for number in range(done, done + size // 10)]
        timer = late if done > 0.9 * links else Timer()
        packed += timer.run(lambda events=events: link_all(replica, events))  # type: ignore[misc]
        measured += len(events) if timer is late else 0
    known = [pair(number) for number in range(max(0, links - 50_000), links)]
    replica.resolve_many(known)
    for _ in range(20):
        hit.run(lambda: replica.resolve_many(known))
    memory = rss() - empty
    replica.close()
    disk = sum(file.stat().st_size for file in (folder / "identity").iterdir())
    return [
        f"{links / 1e6:g}",
        per_id(hit.cpu, 20 * len(known)),
        per_id(late.cpu, measured),
        f"{packed / links:.0f}",
        f"{disk / links:.0f}",
        f"{memory / links:.0f}",
    ]


def pair(number: int) -> Identifiers:
    return ("user_id", f"user-{number // 2}"), ("anonymous_id", str(UUID(int=number * 0x9E3779B97F4A7C15 % 2**128)))


def link_all(replica: Replica, events: list[Identifiers]) -> int:
    """What the agent does with a batch of new pairs; returns the bytes for the log."""
    _, wanting = replica.resolve_many(events)
    size = 0
    for record in pack_facts(map(link, wanting)):
        replica.apply_record(replica.position(), START_MS, record)
        size += len(record)
    _, left = replica.resolve_many(events)
    assert not left
    return size


REPLICA_HEAD = ("links (M)", "hit cpu µs", "link cpu µs", "log B/link", "disk B/link", "RSS B/link")


def per_id(seconds: float, ids: float) -> str:
    return f"{seconds / ids * 1e6:.2f}"


WINDOW_HEAD = (
    "ids (M)",
    "look-up cpu µs",
    "same, last tenth",
    "write cpu µs",
    "both wall µs",
    "process cpu µs",
    "worst write ms",
    "disk B/id",
    "RSS B/id",
    "changelog B/id",
    "close s",
    "open s",
)


def show(head: tuple[str, ...], rows: list[list[str]]) -> None:
    if not rows:
        return
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", nargs="*", type=float, default=[1e6, 10e6])
    parser.add_argument("--batch", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="where to write; default: a temporary folder")
    parser.add_argument("--repeats", choices=("even", "recent"), default="even")
    parser.add_argument("--links", nargs="*", type=float, default=[1e5, 1e6])
    options = parser.parse_args()
    calm_collector()  # as a worker does
    folder = Path(tempfile.mkdtemp(prefix="router-bench-", dir=options.folder))
    windows, replicas = [], []
    try:
        for ids in options.ids:
            windows.append(window_row(int(ids), options.batch, folder, recent=options.repeats == "recent"))
            shutil.rmtree(folder / "window")
        for links in options.links:
            replicas.append(replica_row(int(links), options.batch, folder))
            shutil.rmtree(folder / "identity")
    finally:
        shutil.rmtree(folder)
    show(WINDOW_HEAD, windows)
    show(REPLICA_HEAD, replicas)


if __name__ == "__main__":
    main()
