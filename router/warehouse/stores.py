"""The databases by the scheme of their URL."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from router.warehouse.snowflake_connection import quiet
from router.warehouse.store import WarehouseStore

DUCKDB = "duckdb:///"  # as SQLAlchemy spells it: a relative path follows, or an absolute one with its own slash
EXTRAS = {
    "duckdb": "duckdb", "postgresql": "postgres", "postgres": "postgres", "redshift": "postgres",
    "clickhouse": "clickhouse", "bigquery": "bigquery", "snowflake": "snowflake",
}  # fmt: skip
_MODULES = {
    "duckdb": "duckdb", "postgres": "psycopg", "clickhouse": "clickhouse_connect", "bigquery": "google.cloud.bigquery",
    "snowflake": "snowflake.connector",
}  # fmt: skip
_FORMS = (
    "duckdb:///FILE, postgresql://USER@HOST/DATABASE, redshift://USER@HOST:5439/DATABASE, "
    "clickhouse://USER@HOST:8443?secure=true, bigquery://PROJECT?location=EU or "
    "snowflake://USER@ACCOUNT/DATABASE?warehouse=NAME"
)
_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


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
    if scheme == "snowflake":
        return _snowflake_problem(place)
    return _postgres_problem(place)


def _postgres_problem(place: SplitResult) -> str:
    if not place.path.strip("/"):
        return "expected a database's name after the host"
    hosts = place.netloc.rpartition("@")[2].split(",")
    for port in (found[1] for host in hosts if (found := _PORT.search(host))):
        if not port.isdecimal() or not 0 < int(port) < 1 << 16:
            return f"expected a port between 1 and 65535, got {port}"
    options = parse_qs(place.query, keep_blank_values=True)
    if "password" in options:
        return "expected a URL without a password: it has a setting of its own"
    for mode in options.get("sslmode", ()):
        if mode not in _TLS_MODES:
            return f"expected sslmode to be one of {', '.join(_TLS_MODES)}, got {mode}"
    unknown = next((name for name in options if name not in _OPTIONS), None)
    return f"expected an option of PostgreSQL's library after the ?, such as sslmode, got {unknown}" if unknown else ""


# Of libpq 18, by its manual.
_OPTIONS = frozenset(
    """
    application_name channel_binding client_encoding connect_timeout dbname fallback_application_name gssdelegation
    gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname
    load_balance_hosts max_protocol_version min_protocol_version oauth_client_id oauth_client_secret oauth_issuer
    oauth_scope options passfile port require_auth requirepeer requiressl scram_client_key scram_server_key service
    servicefile ssl ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl
    sslcrldir sslkey sslkeylogfile sslmode sslnegotiation sslpassword sslrootcert sslsni target_session_attrs
    tcp_user_timeout user
    """.split()  # noqa: SIM905
)
_TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_PORT = re.compile(r":([^:\]]*)$")


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


def _snowflake_problem(place: SplitResult) -> str:
    user, _, account = place.netloc.rpartition("@")
    database, _, schema = place.path.strip("/").partition("/")
    options = parse_qs(place.query, keep_blank_values=True)
    unknown = sorted(options.keys() - {"warehouse", "role", "endpoint"})
    if not user or not _ACCOUNT.fullmatch(account):
        return "expected snowflake://USER@ACCOUNT/DATABASE, with an account such as ORGANISATION-NAME"
    if account.lower().endswith(".snowflakecomputing.com"):
        return f"expected an account without .snowflakecomputing.com, got {account}"
    if not database:
        return "expected a database's name after the account"
    if schema:
        return f"expected no schema in the URL, as each source has one of its own, got {schema}"
    if unknown:
        return f"expected warehouse, role or endpoint after the ?, got {unknown[0]}"
    empty = next((name for name, given in options.items() if not given[-1]), None)
    return f"expected a value for {empty}, got nothing" if empty else ""


def extra_of(url: str) -> str:
    return EXTRAS[url.partition("://")[0]]


def store(url: str, password: str | None, timeout: float, key_file: Path | None = None) -> WarehouseStore:
    """Not yet connected. Raises ImportError where the library is missing. `timeout` is in seconds, for connecting."""
    if url.startswith("snowflake://"):
        quiet()
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
    if url.startswith("snowflake://"):
        from router.warehouse.store_snowflake import SnowflakeStore

        return SnowflakeStore(url, password, key_file, timeout)
    from router.warehouse.store_postgres import PostgresStore

    return PostgresStore(url, password, timeout)
