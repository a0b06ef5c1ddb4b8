"""Queries on DuckDB and PostgreSQL: values as JSON, refused queries, databases that are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import orjson
import psycopg
import pytest

from router.errors import RouterError, Unavailable
from router.history.pull_cursor import PullCursor, columns_question
from router.history.sql_query import asked, connected

VALUES = """\
SELECT 7 AS id, 1.50::DECIMAL(10,2) AS price, 3::DECIMAL(10,0) AS whole, 0.25::DOUBLE PRECISION AS share,
  true AS active, TIMESTAMP '2026-01-02 03:04:05.678' AS at,
  TIMESTAMP WITH TIME ZONE '2026-01-02 03:04:05+02:00' AS zoned,
  DATE '2026-01-02' AS day, CAST(NULL AS VARCHAR) AS nothing, 'é''' AS text, CAST('NaN' AS DOUBLE PRECISION) AS nan
"""
EXPECTED: dict[str, Any] = {
    "id": 7, "price": 1.5, "whole": 3, "share": 0.25, "active": True, "at": "2026-01-02T03:04:05.678Z",
    "zoned": "2026-01-02T01:04:05.000Z", "day": "2026-01-02", "nothing": None, "text": "é'", "nan": None,
}  # fmt: skip


def rows_of(url: str, sql: str) -> list[dict[str, Any]]:
    with asked(url, sql) as found:
        return list(found.rows)


KINDS = """\
SELECT n, n + 0.5 AS decimal, n::DOUBLE PRECISION AS share, DATE '2026-01-01' + n AS day,
  TIMESTAMP '2026-01-01 00:00:00.123456' + n * INTERVAL '1 s' AS at,
  TIMESTAMP WITH TIME ZONE '2026-01-01 00:00:00.123456+02:00' + n * INTERVAL '1 s' AS zoned,
  '100%s ' || n AS text, CAST('00000000-0000-0000-0000-00000000000' || n AS UUID) AS uuid
FROM (SELECT generate_series::INTEGER AS n FROM generate_series(0, 4)) AS numbers; """
"""A column of each kind that a cursor may have."""


def rows_from_each_value(url: str) -> dict[str, list[list[int]]]:
    """By column: the rows that are asked for from the third value on, as it is kept, after those from the first on."""
    found = {}
    with connected(url) as ask:
        for column in ask(columns_question(KINDS)).columns:
            cursor, kept = PullCursor(column), []
            for _ in range(2):
                pairs = list(ask(*cursor.question(KINDS)).with_value(column))
                kept.append([row["n"] for _, row in pairs])
                cursor = PullCursor.of(orjson.loads(orjson.dumps(PullCursor(column, pairs[2][0]).as_dict())))
            found[column] = kept
    return found


EACH_FROM_ITS_VALUE = {
    name: [[0, 1, 2, 3, 4], [2, 3, 4]] for name in ("n", "decimal", "share", "at", "zoned", "day", "text", "uuid")
}


@pytest.fixture
def duck(tmp_path: Path) -> str:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE customers AS SELECT range AS id FROM range(12000)")
    return f"duckdb:///{path}"


def test_duckdb(duck: str) -> None:
    assert rows_of(duck, VALUES) == [EXPECTED]
    assert [row["id"] for row in rows_of(duck, "SELECT id FROM customers ORDER BY id")] == list(range(12000))
    assert rows_of(duck, "SELECT [1, 2] AS list, {'a': 1} AS object") == [{"list": [1, 2], "object": {"a": 1}}]
    assert rows_from_each_value(duck) == EACH_FROM_ITS_VALUE
    with pytest.raises(RouterError, match=r"the query: .*custmers"):
        rows_of(duck, "SELECT * FROM custmers")
    with pytest.raises(RouterError, match="read-only"):
        rows_of(duck, "DELETE FROM customers")
    with pytest.raises(Unavailable, match="expected a DuckDB file, got none at"):
        rows_of(duck + ".gone", "SELECT 1")


def test_postgresql(database: str) -> None:
    url = database.replace("@/", ":hush-4711@/")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE customers AS SELECT generate_series(0, 11999) AS id")

    assert rows_of(url, VALUES + ";") == [EXPECTED]
    assert [row["id"] for row in rows_of(url, "SELECT id FROM customers ORDER BY id")] == list(range(12000))
    assert rows_of(url, "SELECT ARRAY[1, 2] AS list, '{\"a\": 1}'::jsonb AS object") == [
        {"list": [1, 2], "object": {"a": 1}}
    ]
    assert rows_from_each_value(url) == EACH_FROM_ITS_VALUE
    with pytest.raises(RouterError, match=r"the query: .*custmers"):
        rows_of(url, "SELECT * FROM custmers")
    with pytest.raises(RouterError):
        rows_of(url, "DELETE FROM customers")
    with pytest.raises(Unavailable, match="the database: "):
        rows_of("postgresql://nobody@127.0.0.1:1/none", "SELECT 1")
