"""A store of each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from router.warehouse.store import WarehouseStore
from router.warehouse.store_duckdb import DuckDbStore
from router.warehouse.store_postgres import PostgresStore


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WarehouseStore]:
    made: WarehouseStore
    if request.param == "duckdb":
        made = DuckDbStore(tmp_path / "shop.duckdb")
    else:
        made = PostgresStore(request.getfixturevalue("database"), "hush-4711", 60.0)
    yield made
    made.close()
