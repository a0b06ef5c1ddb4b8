"""The databases by the scheme of their URL."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from router.warehouse.store import WarehouseStore

DUCKDB = "duckdb:///"  # as SQLAlchemy spells it: a relative path follows, or an absolute one with its own slash
EXTRAS = {
    "duckdb": "duckdb", "postgresql": "postgres", "postgres": "postgres", "redshift": "postgres",
    "clickhouse": "clickhouse", "bigquery": "bigquery",
}  # fmt: skip
_MODULES = {
    "duckdb": "duckdb", "postgres": "psycopg", "clickhouse": "clickhouse_connect", "bigquery": "google.cloud.bigquery",
}  # fmt: skip
_FORMS = (
    "duckdb:///FILE, postgresql://USER@HOST/DATABASE, redshift://USER@HOST:5439/DATABASE, "
    "clickhouse://USER@HOST:8443?secure=true or bigquery://PROJECT?location=EU"
)
_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")


def problem(url: str) -> str:
    """What is wrong with a URL, in words; empty where nothing is."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in EXTRAS:
        got = f"{scheme}://" if separator else "no scheme"
        return f"expected {_FORMS}, got {got}"
    if scheme == "duckdb":
        path = url.removeprefix(DUCKDB)
        if not url.startswith(DUCKDB) or not path or path.startswith(":") or path.endswith("/"):
            return "expected duckdb:/// and the path of a file"
        return ""
    place = urlsplit(url)
    if place.password is not None:
        return "expected a URL without a password: it has a setting of its own"
    if scheme == "clickhouse":
        return _clickhouse_problem(place)
    if scheme == "bigquery":
        return _bigquery_problem(place)
    if not place.path.strip("/"):
        return "expected a database's name after the host"
    return ""


def _clickhouse_problem(place: SplitResult) -> str:
    try:
        port = place.port
    except ValueError:
        port = 0
    if not place.hostname or port == 0:
        return "expected clickhouse://USER@HOST:PORT, with a port of its HTTP interface"
    if place.path.strip("/"):
        return f"expected no database in the URL, as each source has one of its own, got {place.path.strip('/')}"
    if place.query not in ("", "secure=true", "secure=false"):
        return f"expected secure=true, secure=false or nothing after the ?, got {place.query}"
    return ""


def _bigquery_problem(place: SplitResult) -> str:
    if not _PROJECT.fullmatch(place.netloc):
        return f"expected bigquery:// and the id of a project, got {place.netloc or 'nothing'}"
    if place.path.strip("/"):
        return f"expected no dataset in the URL, as each source has one of its own, got {place.path.strip('/')}"
    unknown = sorted(parse_qs(place.query, keep_blank_values=True).keys() - {"location", "endpoint"})
    return f"expected location or endpoint after the ?, got {unknown[0]}" if unknown else ""


def extra_of(url: str) -> str:
    return EXTRAS[url.partition("://")[0]]


def store(url: str, password: str | None, timeout: float, key_file: Path | None = None) -> WarehouseStore:
    """Not yet connected. Raises ImportError where the library is missing. `timeout` is in seconds, for connecting."""
    importlib.import_module(_MODULES[extra_of(url)])
    if extra_of(url) == "duckdb":
        from router.warehouse.store_duckdb import DuckDbStore

        return DuckDbStore(Path(unquote(url.removeprefix(DUCKDB))))
    if url.startswith("redshift://"):
        from router.warehouse.store_redshift import RedshiftStore

        return RedshiftStore(url.replace("redshift://", "postgresql://", 1), password, timeout)
    if url.startswith("clickhouse://"):
        from router.warehouse.store_clickhouse import ClickHouseStore

        return ClickHouseStore(url, password, timeout)
    if url.startswith("bigquery://"):
        from router.warehouse.store_bigquery import BigQueryStore

        return BigQueryStore(url, key_file, timeout)
    from router.warehouse.store_postgres import PostgresStore

    return PostgresStore(url, password, timeout)
