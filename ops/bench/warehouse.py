"""How fast events are loaded into a warehouse, and whether each is there once afterwards.

usage: python -m ops.bench.warehouse [--events 200000] [--batch 8000] [--url postgresql://USER@/DATABASE?host=…]

Left out, the warehouse is a DuckDB file in a temporary folder. The connector gets parsed events, two loads at a time as
from delivery: one is made rows of while the other is loaded. An event of 750 bytes has an id and times of its own and
is two rows (`tracks`, `order_completed`), which are counted, and two updates of `user_identities`. One in twenty is a
repeat, from the same load or one long before; one in fifty has a value that goes to the discards. The database must be
empty, as the tables are counted at the end. The password of PostgreSQL is in PGPASSWORD.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from ops.bench import load
from router.destinations.base import Delivery, Kind
from router.destinations.warehouse import Warehouse, WarehouseSettings
from router.events.times import iso
from router.warehouse import stores

BODIES, PROFILES, BEGIN = 20_000, 50_000, 1_767_225_600_000
COUNTED = ("tracks", "order_completed")


def event_ids(count: int) -> Iterator[str]:
    """Random ones, as clients make them; one in twenty is that of an earlier event."""
    chance = random.Random(4711)
    for number in range(count):
        which = chance.randrange(number) if number % load.REPEATS == 7 else number
        made = hashlib.md5(which.to_bytes(8, "big")).hexdigest()
        yield f"{made[:8]}-{made[8:12]}-4{made[13:16]}-a{made[17:20]}-{made[20:]}"


def deliveries(count: int) -> Iterator[Delivery]:
    """The same bodies over and over, with ids, times and orders of their own."""
    bodies = [(value, orjson.loads(value)) for _, value in load.events(BODIES)]
    for number, mine in enumerate(event_ids(count)):
        value, body = bodies[number % BODIES]
        at = BEGIN + number * 37
        body = {
            **body, "messageId": mine, "timestamp": iso(at), "receivedAt": iso(at + 1_500),
            "properties": {**body["properties"], "order_id": f"o-{number}"},
        }  # fmt: skip
        yield Delivery(value, f"p{number % PROFILES}", "web", "track", body["event"], f"{number:032x}", body)


async def run(url: str, count: int, batch: int) -> float:
    """Seconds until the last load was committed."""
    one = Warehouse("db", WarehouseSettings.model_validate({"url": url}), 60.0)
    await one.open()
    began, free, loaded = time.perf_counter(), asyncio.Semaphore(2), 0

    async def send(part: list[Delivery]) -> None:
        nonlocal loaded
        try:
            outcomes = await one.send(part)
        finally:
            free.release()
        assert all(outcome.kind is Kind.DELIVERED for outcome in outcomes), outcomes[0]
        loaded += len(part)
        if loaded * 10 // count > (loaded - len(part)) * 10 // count:
            print(f"{loaded:>9,} events {2 * loaded / (time.perf_counter() - began):>8,.0f} rows/s", flush=True)

    events = deliveries(count)
    async with asyncio.TaskGroup() as loads:
        while part := list(itertools.islice(events, batch)):
            await free.acquire()
            loads.create_task(send(part))
    spent = time.perf_counter() - began
    await one.close()
    return spent


def counted(url: str) -> Iterator[tuple[str, int, int]]:
    """Rows and different ids of each table."""
    store = stores.store(url, None, 60.0)
    for table in (*COUNTED, "discards", "user_identities"):
        ((rows, ids),) = store.rows(f"SELECT count(*), count(DISTINCT id) FROM web.{table}")
        yield table, rows, ids
    store.close()


def turns() -> float:
    """CPU seconds of an empty loop of ten million turns: how fast the machine is now."""
    began = time.process_time()
    for _ in range(10_000_000):
        pass
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=8_000)
    parser.add_argument("--url")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.url or f"duckdb:///{Path(folder).resolve()}/shop.duckdb"
        before, used = turns(), time.process_time()
        wall = asyncio.run(run(url, given.events, given.batch))
        cpu, rows = time.process_time() - used, 2 * given.events
        print(f"{rows:,} rows in {wall:.1f} s: {rows / wall:,.0f} a second, {rows / cpu:,.0f} a CPU second of ours")
        print(f"an empty loop of ten million turns: {before:.2f} CPU s before, {turns():.2f} after; ", end="")
        print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")
        expected = len(set(event_ids(given.events)))
        for table, found, ids in counted(url):
            print(f"{table}: {found:,} rows, {ids:,} ids")
            assert found == ids, table
            assert table not in COUNTED or found == expected, (table, found, expected)


if __name__ == "__main__":
    main()
