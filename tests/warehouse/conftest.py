"""A store of each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from router.warehouse.store import WarehouseStore
from router.warehouse.store_duckdb import DuckDbStore
from router.warehouse.store_postgres import PostgresStore
from tests.warehouse import cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The folder of a server's socket."""
    if reason := cluster.missing():
        pytest.skip(reason)
    with cluster.running() as folder:
        yield folder


@pytest.fixture
def database(postgres: str, unique: str) -> Iterator[str]:
    """The URL of an empty database, whose owner has its name and the password hush-4711; both go afterwards."""
    admin = f"postgresql://postgres:hush-4711@/postgres?host={postgres}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {unique} LOGIN PASSWORD 'hush-4711'".encode())
        connection.execute(f"CREATE DATABASE {unique} OWNER {unique}".encode())
        yield f"postgresql://{unique}@/{unique}?host={postgres}"
        connection.execute(f"DROP DATABASE {unique} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE {unique}".encode())


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WarehouseStore]:
    made: WarehouseStore
    if request.param == "duckdb":
        made = DuckDbStore(tmp_path / "shop.duckdb")
    else:
        made = PostgresStore(request.getfixturevalue("database"), "hush-4711", 60.0)
    yield made
    made.close()
