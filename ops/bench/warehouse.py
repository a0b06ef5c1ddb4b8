"""How fast events are loaded into a warehouse.

usage: python -m ops.bench.warehouse [--events 1000000] [--batch 4000] [--url postgresql://USER@/DATABASE?host=…]

Left out, the warehouse is a DuckDB file in a temporary folder. The connector gets parsed events, as from delivery, in
loads of `--batch`; making them up is not timed. An event of 750 bytes is two rows (`tracks`, `order_completed`), which
are counted, and one or two updates of `user_identities`; one in fifty has a value that goes to the discards.
The password of PostgreSQL is in PGPASSWORD.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from ops.bench import load
from router.destinations.base import Delivery, Kind
from router.destinations.warehouse import Warehouse, WarehouseSettings


def deliveries(count: int) -> Iterator[Delivery]:
    for number, (_, value) in enumerate(load.events(count)):
        body = orjson.loads(value) | {"messageId": f"m{number}", "receivedAt": "2026-01-01T00:00:00.000Z"}
        yield Delivery(value, f"p{number % 50_000}", "web", "track", body["event"], f"{number:032x}", body)


async def run(url: str, count: int, batch: int) -> None:
    one = Warehouse("db", WarehouseSettings.model_validate({"url": url}), 60.0)
    await one.open()
    wall = cpu = 0.0
    events = deliveries(count)
    loaded = 0
    while part := list(itertools.islice(events, batch)):
        began, used = time.perf_counter(), time.process_time()
        outcomes = await one.send(part)
        wall, cpu = wall + time.perf_counter() - began, cpu + time.process_time() - used
        assert all(outcome.kind is Kind.DELIVERED for outcome in outcomes), outcomes[0]
        loaded += len(part)
        if loaded % (batch * 25) == 0 or loaded == count:
            print(
                f"{loaded:>9,} events  {2 * loaded / wall:>8,.0f} rows/s  {2 * loaded / cpu:>8,.0f} rows a CPU second"
            )
    await one.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=4_000)
    parser.add_argument("--url")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.url or f"duckdb:///{Path(folder).resolve()}/shop.duckdb"
        asyncio.run(run(url, given.events, given.batch))


if __name__ == "__main__":
    main()
