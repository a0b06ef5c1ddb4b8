"""The databases by the scheme of their URL."""

from __future__ import annotations

import importlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from router.warehouse.store import WarehouseStore

DUCKDB = "duckdb:///"  # as SQLAlchemy spells it: a relative path follows, or an absolute one with its own slash
EXTRAS = {"duckdb": "duckdb", "postgresql": "postgres", "postgres": "postgres", "redshift": "postgres"}
_MODULES = {"duckdb": "duckdb", "postgres": "psycopg"}


def problem(url: str) -> str:
    """What is wrong with a URL, in words; empty where nothing is."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in EXTRAS:
        got = f"{scheme}://" if separator else "no scheme"
        return (
            f"expected duckdb:///FILE, postgresql://USER@HOST/DATABASE or redshift://USER@HOST:5439/DATABASE, got {got}"
        )
    if scheme == "duckdb":
        path = url.removeprefix(DUCKDB)
        if not url.startswith(DUCKDB) or not path or path.startswith(":") or path.endswith("/"):
            return "expected duckdb:/// and the path of a file"
        return ""
    place = urlsplit(url)
    if place.password is not None:
        return "expected a URL without a password: it has a setting of its own"
    if not place.path.strip("/"):
        return "expected a database's name after the host"
    return ""


def extra_of(url: str) -> str:
    return EXTRAS[url.partition("://")[0]]


def store(url: str, password: str | None, timeout: float) -> WarehouseStore:
    """Not yet connected. Raises ImportError where the library is missing. `timeout` is in seconds, for connecting."""
    importlib.import_module(_MODULES[extra_of(url)])
    if extra_of(url) == "duckdb":
        from router.warehouse.store_duckdb import DuckDbStore

        return DuckDbStore(Path(unquote(url.removeprefix(DUCKDB))))
    if url.startswith("redshift://"):
        from router.warehouse.store_redshift import RedshiftStore

        return RedshiftStore(url.replace("redshift://", "postgresql://", 1), password, timeout)
    from router.warehouse.store_postgres import PostgresStore

    return PostgresStore(url, password, timeout)
