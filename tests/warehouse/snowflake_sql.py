"""Snowflake's SQL as DuckDB's, and DuckDB's answers as Snowflake's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import duckdb
from sqlglot import exp

LARGEST = 16 * 1024 * 1024  # bytes of a value
COMPILING = "SQL compilation error:\n"
_TYPES = {"BIGINT": "fixed", "INTEGER": "fixed", "DOUBLE": "real", "BOOLEAN": "boolean", "VARCHAR": "text"}
_KINDS = {"BIGINT": "NUMBER", "DOUBLE": "FLOAT", "VARCHAR": "TEXT", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_TZ"}
_NUMBERS: dict[type[exp.Expr], int] = {
    exp.Insert: 12544,
    exp.Update: 12800,
    exp.Merge: 13312,
    exp.Copy: 12288,
}  # statementTypeId
_CHANGED: dict[type[exp.Expr], list[str]] = {
    exp.Insert: ["number of rows inserted"],
    exp.Update: ["number of rows updated", "number of multi-joined rows updated"],
    exp.Merge: ["number of rows inserted", "number of rows updated"],
}
_COPIED = ["file", "status", "rows_parsed", "rows_loaded", "error_limit", "errors_seen"]


class Refused(Exception):
    """An answer of Snowflake's that is an error: number, SQLSTATE, words."""

    def __init__(self, number: str, state: str, said: str) -> None:
        super().__init__(said)
        about = {"errorCode": number, "sqlState": state, "internalError": False, "queryId": str(uuid.uuid4())}
        self.answer: dict[str, Any] = {
            "success": False, "code": number, "message": said, "headers": None,
            "data": None if number == "390114" else about,
        }  # fmt: skip


def names(tree: exp.Expr) -> None:
    """Names as Snowflake reads them: upper case without quotes, as they are with them."""
    for name in tree.find_all(exp.Identifier):
        if not name.args.get("quoted"):
            name.set("this", name.this.upper())
            name.set("quoted", True)
        elif name.this != name.this.upper():
            raise Refused("000904", "42000", f"{COMPILING}error invalid identifier '\"{name.this}\"'")


def definitions(tree: exp.Expr) -> Iterator[str]:
    """DuckDB changes one thing of a table at a time, and has whole numbers of 64 bits in fewer bytes."""
    for kind in tree.find_all(exp.DataType):
        if kind.this == exp.DataType.Type.DECIMAL:
            kind.replace(exp.DataType.build("BIGINT"))
    if not isinstance(tree, exp.Alter):
        yield tree.sql("duckdb")
        return
    for action in tree.args["actions"]:
        tree.set("actions", [action])
        yield tree.sql("duckdb")


def spoken(tree: exp.Expr) -> str:
    """What reads a VARIANT, said as DuckDB reads JSON: a text without its quotes, a time from text, a list as rows."""
    for call in list(tree.find_all(exp.Anonymous)):
        if call.name.upper() == "TO_TIMESTAMP_TZ":
            call.replace(exp.cast(call.expressions[0], "TIMESTAMPTZ"))
    for cast in list(tree.find_all(exp.Cast)):
        if isinstance(cast.this, exp.JSONExtract) and cast.to.this == exp.DataType.Type.VARCHAR:
            path = cast.this
            cast.replace(exp.JSONExtractScalar(this=path.this, expression=path.expression))
        elif cast.to.this == exp.DataType.Type.DECIMAL:
            cast.set("to", exp.DataType.build("BIGINT"))
    flattened = 'SELECT CAST("VALUE" AS TEXT) FROM TABLE(UNNEST(INPUT => JSON(?)))'
    return _catalogue(tree.sql("duckdb")).replace(flattened, "SELECT UNNEST(FROM_JSON(?, '[\"VARCHAR\"]'))")


def temporary_type(column: exp.Expr) -> str:
    return {"DECIMAL(38, 0)": "BIGINT", "VARIANT": "JSON"}[column.args["kind"].sql("duckdb")]


def _catalogue(sql: str) -> str:
    """Of tables that are there for all, and their types as Snowflake calls them."""
    spelt = " ".join(f"WHEN '{ours}' THEN '{theirs}'" for ours, theirs in _KINDS.items())
    own = (
        "(SELECT schema_name AS TABLE_SCHEMA, table_name AS TABLE_NAME, column_name AS COLUMN_NAME, "
        f"CASE data_type {spelt} ELSE data_type END AS DATA_TYPE, "
        "CASE data_type WHEN 'BIGINT' THEN 0 END AS NUMERIC_SCALE FROM duckdb_columns())"
    )
    views = {
        "COLUMNS": own, "TABLES": f"(SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME FROM {own})",
        "SCHEMATA": "(SELECT schema_name AS SCHEMA_NAME FROM duckdb_schemas())",
    }  # fmt: skip
    for name, view in views.items():
        sql = sql.replace(f'"INFORMATION_SCHEMA"."{name}"', view)
    return sql


def success(data: dict[str, Any] | None) -> dict[str, Any]:
    return {"success": True, "code": None, "message": None, "data": data}


def _rows(names: list[str], kinds: list[str], rows: list[list[Any]], number: int = 4096) -> dict[str, Any]:
    columns = [
        {"name": name, "type": kind, "nullable": True, "precision": 38, "scale": 9 if "time" in kind else 0,
         "length": LARGEST, "byteLength": LARGEST}
        for name, kind in zip(names, kinds, strict=True)
    ]  # fmt: skip
    return success(
        {
            "rowtype": columns, "rowset": rows, "total": len(rows), "returned": len(rows), "parameters": [],
            "queryResultFormat": "json", "queryId": str(uuid.uuid4()), "statementTypeId": number, "version": 1,
            "numberOfBinds": 0, "arrayBindSupported": False, "finalDatabaseName": "SHOP",
        }
    )  # fmt: skip


def done(said: str) -> dict[str, Any]:
    return _rows(["status"], ["text"], [[said]])


def read(found: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    assert found.description is not None
    kinds = [_TYPES.get(str(one[1]), "timestamp_tz") for one in found.description]
    rows = [[_cell(value) for value in row] for row in found.fetchall()]
    return _rows([one[0] for one in found.description], kinds, rows)


def changed(tree: exp.Expr, found: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    names, row = _CHANGED[type(tree)], found.fetchone()
    assert row is not None
    return _rows(names, ["fixed"] * len(names), [[str(row[0]), "0"][: len(names)]], _NUMBERS[type(tree)])


def copied(file: str, rows: int) -> dict[str, Any]:
    kinds = ["text", "text"] + ["fixed"] * 4
    return _rows(_COPIED, kinds, [[file, "LOADED", str(rows), str(rows), "1", "0"]], _NUMBERS[exp.Copy])


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        micros = round(value.timestamp() * 1_000_000)
        return f"{micros // 1_000_000}.{micros % 1_000_000:06}000 1440"  # minutes of its zone, and a day
    return repr(value)
