"""A store of each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from router.warehouse.store import WarehouseStore
from router.warehouse.store_clickhouse import ClickHouseStore
from router.warehouse.store_duckdb import DuckDbStore
from router.warehouse.store_postgres import PostgresStore
from tests.warehouse import clickhouse as clickhouse_engine
from tests.warehouse import snowflake
from tests.warehouse.snowflake_account import Snowflake


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WarehouseStore]:
    made: WarehouseStore
    if request.param == "duckdb":
        made = DuckDbStore(tmp_path / "shop.duckdb")
    else:
        made = PostgresStore(request.getfixturevalue("database"), "hush-4711", 60.0)
    yield made
    made.close()


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """ClickHouse's engine behind its HTTP interface: host and port. Its user is default, hush-4711."""
    if reason := clickhouse_engine.missing():
        pytest.skip(f"ClickHouse's engine (pip install 'event-router[clickhouse]' chdb-core) is {reason}")
    with clickhouse_engine.running(tmp_path_factory.mktemp("clickhouse")) as place:
        yield place


@pytest.fixture
def clickhouse(clickhouse_server: str) -> Iterator[ClickHouseStore]:
    """Without any schema of ours."""
    made = ClickHouseStore(f"clickhouse://default@{clickhouse_server}", "hush-4711", 60.0)
    yield made
    for (name,) in made.rows("SELECT name FROM system.databases WHERE engine = 'Atomic' AND name <> 'default'"):
        made.execute(f'DROP DATABASE "{name}"')
    made.close()


@pytest.fixture
def account() -> Iterator[Snowflake]:
    """A Snowflake account."""
    with snowflake.running() as made:
        yield made
