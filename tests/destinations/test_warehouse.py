"""The warehouse: settings, what its troubles are called, and that nothing else stops for them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import ValidationError

from router import metrics
from router.config.loader import load_topology
from router.destinations.base import Kind, Outcome
from router.destinations.registry import destination_types
from router.destinations.warehouse import Warehouse, WarehouseSettings
from router.errors import Unavailable
from router.warehouse.load import PendingRows
from router.warehouse.store_duckdb import DuckDbStore
from router.warehouse.store_postgres import PostgresStore
from tests.deliveries import call, delivery

SECRET = "hush-4711"


def database_name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


@asynccontextmanager
async def warehouse(url: str, **given: Any) -> AsyncIterator[Warehouse]:
    one = Warehouse("db", WarehouseSettings.model_validate({"url": url} | given), 20.0)
    await one.open()
    try:
        yield one
    finally:
        await one.close()


async def outcome(url: str, **given: Any) -> Outcome:
    """Of one event and of a check, which agree."""
    async with warehouse(url, **given) as one:
        (sent,) = await one.send([delivery(1)])
        checked = await one.check()
    assert (sent.kind, sent.code, sent.detail) == (checked.kind, checked.code, checked.detail)
    return sent


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "shop.duckdb"}, "snowflake://USER@ACCOUNT/DATABASE?warehouse=NAME, got no scheme"),
        ({"url": "clickhouse://user@host/shop"}, "no database in the URL, as each source has one of its own, got shop"),
        ({"url": "clickhouse://user@host:http"}, "expected clickhouse://USER@HOST:PORT"),
        ({"url": "clickhouse://user:hush@host"}, "expected a URL without a password"),
        ({"url": "clickhouse://host?tls=1"}, "expected secure=true, secure=false or nothing after the ?, got tls=1"),
        ({"url": "postgresql://u@h:abc/d"}, "expected a port between 1 and 65535, got abc"),
        ({"url": "postgresql://u@h:5432,i:99999/d"}, "expected a port between 1 and 65535, got 99999"),
        (
            {"url": "postgresql://u@h/d?sslmod=require"},
            "of PostgreSQL's library after the ?, such as sslmode, got sslmod",
        ),
        ({"url": "redshift://u@h/d?sslmode=strict"}, "expected sslmode to be one of disable, allow, prefer"),
        ({"url": "postgresql://u@h/d?password=hush"}, "expected a URL without a password"),
        ({"url": "bigquery://"}, "expected bigquery:// and the id of a project, got nothing"),
        ({"url": "bigquery://Shop_1"}, "expected bigquery:// and the id of a project, got Shop_1"),
        ({"url": "bigquery://shop-4711/web"}, "no dataset in the URL, as each source has one of its own, got web"),
        ({"url": "bigquery://shop-4711?region=EU"}, "expected location or endpoint after the ?, got region"),
        ({"url": "bigquery://shop-4711", "password": "x"}, "expected key_file for BigQuery, got password"),
        ({"key_file": "key.json"}, "for BigQuery and Snowflake only: other databases have a password"),
        ({"url": "snowflake://u:hush@org-shop/db"}, "expected a URL without a password"),
        ({"url": "snowflake://org-shop/db", "password": "x"}, "expected snowflake://USER@ACCOUNT/DATABASE, with an"),
        ({"url": "snowflake://u@org-shop:443/db", "password": "x"}, "with an account such as ORGANISATION-NAME"),
        (
            {"url": "snowflake://u@o-s.snowflakecomputing.com/db", "password": "x"},
            "expected an account without .snowflakecomputing.com, got o-s.snowflakecomputing.com",
        ),
        ({"url": "snowflake://u@org-shop", "password": "x"}, "expected a database's name after the account"),
        ({"url": "snowflake://u@org-shop/db/web", "password": "x"}, "no schema in the URL, as each source"),
        ({"url": "snowflake://u@org-shop/db?rôle=x", "password": "x"}, "warehouse, role or endpoint after the ?, got"),
        ({"url": "snowflake://u@org-shop/db?role=", "password": "x"}, "expected a value for role, got nothing"),
        ({"url": "snowflake://u@org-shop/db"}, "expected key_file or password for Snowflake, got neither"),
        ({"url": "redshift://user@host"}, "expected a database's name after the host"),
        ({"url": "mysql://host/db"}, "got mysql://"),
        ({"url": "duckdb:///:memory:"}, "expected duckdb:/// and the path of a file"),
        ({"url": "duckdb://shop.duckdb"}, "expected duckdb:/// and the path of a file"),
        ({"url": "postgresql://user:hush@host/db"}, "expected a URL without a password"),
        ({"url": "postgresql://user@host"}, "expected a database's name after the host"),
        ({"only": ["web.orders.id"]}, "expected one of SOURCE, SOURCE.TABLE, got web.orders.id"),
        ({"skip": ["a.b.c.d"]}, "expected one of SOURCE, SOURCE.TABLE, SOURCE.TABLE.COLUMN, got a.b.c.d"),
        ({"skip": ["*.*.received_at"]}, "expected a column other than id and received_at"),
        ({"schema_prefix": "Shop-"}, "schema_prefix"),
        ({"every": 60}, "expected a value such as"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match="(?s)" + message.replace("?", r"\?").replace("*", r"\*")) as refused:
        WarehouseSettings.model_validate({"url": "duckdb:///x.duckdb"} | settings)

    assert "hush" not in str(refused.value).partition("input_value")[0]


@pytest.mark.parametrize(
    ("url", "expected"),
    [("duckdb:///./shop.duckdb", "{}/shop.duckdb"), ("duckdb:///shop.duckdb", "{}/shop.duckdb"),
     ("duckdb:////srv/shop.duckdb", "/srv/shop.duckdb")],
)  # fmt: skip
def test_a_file_is_relative_to_the_topology(tmp_path: Path, url: str, expected: str) -> None:
    path = tmp_path / "topology.yaml"
    path.write_text(
        f"name: shop\ndefault_source: web\nsources: {{web: {{}}}}\n"
        f"destinations: {{db: {{type: warehouse, settings: {{url: '{url}', every: 5m}}}}}}\n"
    )

    settings = load_topology([path], registry=destination_types()).connector_settings["db"]

    assert isinstance(settings, WarehouseSettings)
    assert settings.url == "duckdb:///" + expected.format(tmp_path)
    assert Warehouse("db", settings, 10.0).batch_age == 300.0


@pytest.mark.parametrize(
    ("url", "library", "extra"),
    [
        ("duckdb:///x.duckdb", "duckdb", "duckdb"),
        ("postgresql://u@h/d", "psycopg", "postgres"),
        ("clickhouse://u@h", "clickhouse_connect", "clickhouse"),
        ("bigquery://shop-4711", "google.cloud.bigquery", "bigquery"),
        ("snowflake://u@org-shop/db", "snowflake.connector", "snowflake"),
    ],
)
async def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, url: str, library: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(Unavailable, match=rf"destination db needs a library: pip install 'event-router\[{extra}\]'"):
        async with warehouse(url, **({"password": SECRET} if extra == "snowflake" else {})):
            pass


async def test_metrics_count_rows_changes_and_discards(tmp_path: Path) -> None:
    """And what is not selected is filtered with a reason."""

    def value(metric: Any, *labels: str) -> float:
        return float(metric.labels("counted", *labels)._value.get())

    settings = WarehouseSettings.model_validate(
        {"url": f"duckdb:///{tmp_path}/x.duckdb", "only": ["web.tracks", "web.order_completed"], "every": "1s"}
    )
    one = Warehouse("counted", settings, 20.0)
    await one.open()
    first = await one.send([delivery(1, properties={"total": 5}), call("page", "Home", 2)])
    await one.send([delivery(1, properties={"total": 5}), delivery(3, properties={"total": "x"})])
    await one.close()

    assert [(each.kind, each.code) for each in first] == [(Kind.DELIVERED, "200"), (Kind.FILTERED, "not_selected")]
    assert value(metrics.WAREHOUSE_LOADS, "committed") == 2
    assert [value(metrics.WAREHOUSE_ROWS, what) for what in ("inserted", "repeated", "updated")] == [4, 2, 0]
    assert value(metrics.WAREHOUSE_CHANGES, "table") == 4
    assert value(metrics.WAREHOUSE_DISCARDS, "type") == 1
    assert metrics.WAREHOUSE_LAST_LOAD.labels("counted")._value.get() > 0


async def test_an_event_that_cannot_be_mapped_costs_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It becomes a dead letter."""
    add = PendingRows.add
    monkeypatch.setattr(PendingRows, "add", lambda self, event: add(self, event) if event.body["messageId"] else 1 / 0)
    bad = delivery(1, messageId="")

    async with warehouse(f"duckdb:///{tmp_path}/x.duckdb") as one:
        outcomes = await one.send([bad, delivery(2)])

    assert [(each.kind, each.code) for each in outcomes] == [
        (Kind.REJECTED, "MAPPING_FAILED"), (Kind.DELIVERED, "200")
    ]  # fmt: skip


async def test_a_row_that_a_database_does_not_take_is_halved_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole load fails, as one that delivery may make smaller."""

    def refuse(*_: object) -> int:
        raise RuntimeError("Conversion Error: a value")

    monkeypatch.setattr(DuckDbStore, "insert", refuse)
    async with warehouse(f"duckdb:///{tmp_path}/x.duckdb") as one:
        several = await one.send([delivery(1), delivery(2)])
        (single,) = await one.send([delivery(1)])

    assert {(each.kind, each.code, each.shared) for each in several} == {(Kind.REJECTED, "NOT_CONVERTED", True)}
    assert (single.kind, single.shared) == (Kind.REJECTED, False)


async def test_a_file_in_no_folder(tmp_path: Path) -> None:
    found = await outcome(f"duckdb:///{tmp_path}/missing/x.duckdb")

    assert (found.kind, found.code, found.detail) == (Kind.REFUSED, "ENOENT", "there is no such folder")


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        ('IO Error: Could not set lock on file "x"', "retry", "LOCKED"),
        ("IO Error: write failed: No space left on device", "refused", "ENOSPC"),
        ('Cannot execute statement of type "INSERT" on database "x" which is attached in read-only mode!', "refused",
         "EROFS"),
        ('IO Error: Cannot open file "x": Permission denied', "refused", "EACCES"),
        ("Out of Memory Error: failed to allocate", "retry", "ENOMEM"),
        ("something else", "retry", "WAREHOUSE_FAILED"),
    ],
)  # fmt: skip
def test_what_duckdb_says_has_a_name(tmp_path: Path, said: str, kind: str, code: str) -> None:
    """No text of the library's is passed on: it may hold a value."""
    failure = DuckDbStore(tmp_path / "x").failure(RuntimeError(said))

    assert (failure.kind, failure.code) == (kind, code)
    assert "x" not in failure.detail.split()


@pytest.mark.parametrize(
    ("state", "kind", "code"),
    [
        ("28P01", "refused", "NOT_ACCEPTED"), ("3D000", "refused", "NO_DATABASE"), ("42501", "refused", "NO_RIGHT"),
        ("25006", "refused", "READ_ONLY"), ("53100", "refused", "DISK_FULL"), ("54011", "refused", "TOO_MANY_COLUMNS"),
        ("54000", "rejected", "ROW_TOO_LARGE"), ("22003", "rejected", "NOT_CONVERTED"), ("57P03", "retry", "STARTING"),
        ("40P01", "retry", "IN_THE_WAY"), ("53300", "retry", "TOO_MANY_CONNECTIONS"),
        ("XX000", "retry", "WAREHOUSE_FAILED"),
    ],
)  # fmt: skip
def test_what_postgresql_says_has_a_name(state: str, kind: str, code: str) -> None:
    error = psycopg.Error("a value of somebody's")
    error.sqlstate = state

    failure = PostgresStore("postgresql://u@h/d", None, 10.0).failure(error)

    assert (failure.kind, failure.code) == (kind, code)
    assert "somebody" not in failure.detail


async def test_postgresql_is_loaded(database: str) -> None:
    """Twice the same, and the second time all are repeats."""
    async with warehouse(database, password=SECRET) as one:
        kinds = [[each.kind for each in await one.send([delivery(1), delivery(2)])] for _ in range(2)]
        assert (await one.check()).kind is Kind.DELIVERED
    with psycopg.connect(database, password=SECRET) as connection:
        found = connection.execute("SELECT id FROM web.order_completed ORDER BY id").fetchall()

    assert kinds == [[Kind.DELIVERED] * 2] * 2
    assert found == [("m1",), ("m2",)]


async def test_postgresqls_troubles_have_names(database: str) -> None:
    """A wrong password, a wrong database, no socket, no host."""
    wrong = await outcome(database, password="no")
    name = database_name(database)
    none = await outcome(database.replace(f"@/{name}", "@/nowhere-at-all"), password=SECRET)
    socket = await outcome(f"postgresql://u@/{name}?host=/nowhere", password=SECRET)

    assert (wrong.kind, wrong.code) == (Kind.REFUSED, "NOT_ACCEPTED")
    assert (none.kind, none.code) == (Kind.REFUSED, "NO_DATABASE")
    assert (socket.kind, socket.code) == (Kind.RETRY, "ECONNREFUSED")
    assert SECRET not in repr((wrong, none, socket))


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        ('failed to resolve host "db.invalid": [Errno -2] Name or service not known', "retry", "ENOTFOUND"),
        ('connection to server at "10.0.0.1" failed: received invalid response to SSL negotiation: H', "refused",
         "NOT_POSTGRESQL"),
        ('connection is bad: invalid gssencmode value: "somebody"', "refused", "BAD_URL"),
        ('connection failed: root certificate file "/somebody" does not exist', "refused", "TLS"),
        ("connection failed: Network is unreachable", "retry", "EHOSTUNREACH"),
    ],
)  # fmt: skip
def test_what_keeps_us_from_connecting_has_a_name(said: str, kind: str, code: str) -> None:
    """An unknown host is waited for: names come back. What needs a change of the settings pauses the destination."""
    found = PostgresStore("postgresql://u@h/d", None, 10.0).failure(psycopg.OperationalError(said))

    assert (found.kind, found.code) == (kind, code)
    assert "somebody" not in found.detail


async def test_a_user_with_the_least_rights_is_enough(postgres: str, database: str) -> None:
    """CONNECT, and a schema of its own made by somebody else: no right to make one. Without it, it is said."""
    name = database_name(database)
    admin = f"postgresql://postgres:{SECRET}@/{name}?host={postgres}"
    loader = f"{name}_loader"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {loader} LOGIN PASSWORD '{SECRET}'".encode())
        connection.execute(f"CREATE SCHEMA web AUTHORIZATION {loader}".encode())
    url = f"postgresql://{loader}@/{name}?host={postgres}"
    other = delivery(2)
    other.source = "ios"
    try:
        async with warehouse(url, password=SECRET) as one:
            (taken,) = await one.send([delivery(1)])
            (refused,) = await one.send([other])
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY {loader}".encode())
            connection.execute(f"DROP ROLE {loader}".encode())

    assert taken.kind is Kind.DELIVERED
    assert (refused.kind, refused.code, refused.detail) == (
        Kind.REFUSED, "NO_SCHEMA",
        "the user has no right to make a schema: give CREATE on the database, or make one for each source",
    )  # fmt: skip


async def test_a_read_only_database_pauses_the_destination(database: str) -> None:
    """A check sees it as well."""
    found = await outcome(f"{database}&options=-c%20default_transaction_read_only%3Don", password=SECRET)

    assert (found.kind, found.code) == (Kind.REFUSED, "READ_ONLY")


async def test_a_connection_that_was_cut_is_made_anew(database: str) -> None:
    """The load that meets it is tried again."""
    async with warehouse(database, password=SECRET) as one:
        await one.send([delivery(1)])
        assert isinstance(one._store, PostgresStore)
        name = one._store._db.info.backend_pid
        with psycopg.connect(database, password=SECRET) as connection:
            connection.execute("SELECT pg_terminate_backend(%s, 60000)", [name])
        (cut,) = await one.send([delivery(2)])
        (again,) = await one.send([delivery(2)])

    assert cut.kind is Kind.RETRY
    assert again.kind is Kind.DELIVERED
