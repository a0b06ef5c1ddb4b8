"""Warehouse: tables in Segment's schema, in DuckDB (a file), PostgreSQL, Redshift, ClickHouse, BigQuery or Snowflake.

Each source has a schema: `tracks`, `pages`, `screens`, `identifies`, `groups`, `aliases` have a row a call, each event
a table with its properties as columns, `users` and `accounts` a row an object, each column from the newest event that
set it, `user_identities` the profile of an identifier. New names become tables and columns, values that do not fit go
to `discards`. A load, after `every`, 20,000 events or 8 MiB, is one transaction (ClickHouse: one a table, BigQuery: one
a schema), acknowledged once committed: kill -9 loses and repeats nothing, as rows are known by `id` (messageId) for
ever. A database that is full, read-only or refuses us pauses it. `pip install 'event-router[duckdb]'`, `[clickhouse]`,
`[bigquery]`, `[snowflake]`, else `[postgres]`. Run on no real server: Redshift (on PostgreSQL), ClickHouse, BigQuery
and Snowflake (both on DuckDB, with their own clients).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, Self, TypeVar

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from router.config.types import Duration
from router.destinations.base import Connector, Delivery, Kind, Outcome, RequestLimits, Settings
from router.destinations.registry import destination
from router.errors import Unavailable
from router.warehouse import selection, stores
from router.warehouse.load import Loader, LoadEvent, LoadRules, PendingRows
from router.warehouse.report import LoadReport
from router.warehouse.selection import SelectiveSync
from router.warehouse.store import WarehouseStore

_KINDS = {"retry": Kind.RETRY, "refused": Kind.REFUSED, "rejected": Kind.REJECTED}
_LOADED = Outcome(Kind.DELIVERED, "200")

log = logging.getLogger(__name__)
T = TypeVar("T")


class WarehouseSettings(Settings):
    paths: ClassVar = ("url",)

    url: str = Field(
        examples=["duckdb:///./shop.duckdb"],
        description="duckdb:///FILE, relative to the topology file; postgresql:// or "
        "redshift://USER@HOST:PORT/DATABASE?sslmode=require; clickhouse://USER@HOST:8443?secure=true; "
        "bigquery://PROJECT?location=EU; snowflake://USER@ACCOUNT/DATABASE?warehouse=NAME&role=NAME",
    )
    password: SecretStr | None = Field(
        None,
        description="Of the user, who needs CONNECT and CREATE on the database (ClickHouse: CREATE, ALTER, SELECT and "
        "INSERT on *.*) and no more; left out: PGPASSWORD or ~/.pgpass, and none for ClickHouse. "
        "Snowflake: of key_file where that is encrypted, or of the user, who may have a programmatic access token",
    )
    key_file: Path | None = Field(
        None,
        description="BigQuery: the key of a service account with the role bigquery.user, or bigquery.jobUser and "
        "bigquery.dataEditor on a dataset for each source; left out: Google's credentials of the environment. "
        "Snowflake: the user's private key (PEM); the role needs USAGE on the virtual warehouse, USAGE and CREATE "
        "SCHEMA on the database, and no more",
    )
    every: Duration = Field(
        "1m", validate_default=True, gt=0, description="Load at this interval, or after 20,000 events or 8 MiB"
    )
    only: list[str] = Field(
        [],
        examples=[["web"]],
        description="What to load, by its name there: SOURCE or SOURCE.TABLE, with * and ?",
    )
    skip: list[str] = Field(
        [],
        examples=[["*.debug_*", "*.*.context_ip"]],
        description="What not: SOURCE, SOURCE.TABLE or SOURCE.TABLE.COLUMN",
    )
    schema_prefix: str = Field("", pattern=r"^[a-z0-9_]*$", max_length=12, description="In front of each schema's name")
    max_columns: int = Field(500, ge=50, le=1_500, description="Columns of a table; further ones go to discards")
    max_depth: int = Field(10, ge=1, le=20, description="To which depth nested objects become columns; then JSON text")

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if why := stores.problem(value):
            raise ValueError(why)
        return value

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        scheme = self.url.partition("://")[0]
        if scheme == "bigquery" and self.password is not None:
            raise ValueError("expected key_file for BigQuery, got password")
        if scheme == "snowflake" and self.password is None and self.key_file is None:
            raise ValueError("expected key_file or password for Snowflake, got neither")
        if self.key_file is not None and scheme not in ("bigquery", "snowflake"):
            raise ValueError("expected key_file for BigQuery and Snowflake only: other databases have a password")
        return self

    @field_validator("only", "skip")
    @classmethod
    def _check_patterns(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if why := selection.problem(value, 2 if info.field_name == "only" else 3):
            raise ValueError(why)
        return value


@destination("warehouse")
class Warehouse(Connector):
    summary = "Tables in Segment's schema, in DuckDB, PostgreSQL, Redshift, ClickHouse, BigQuery or Snowflake"
    integrations = ("Warehouse", "Warehouses", "Postgres", "Redshift", "ClickHouse", "BigQuery", "Snowflake")
    ignores_integrations = True
    limits = RequestLimits(count=20_000, batch=20_000, batch_bytes=8 * 1024 * 1024, age=60.0, uncommitted=40_000)
    idempotency = "message_id"
    Settings = WarehouseSettings
    settings: WarehouseSettings

    def __init__(self, name: str, settings: WarehouseSettings, timeout: float) -> None:
        super().__init__(name, settings, timeout)
        select = SelectiveSync(settings.only, settings.skip)
        self._rules = LoadRules(settings.schema_prefix, settings.max_depth, settings.max_columns, select)
        self._store: WarehouseStore | None = None
        self._making: ThreadPoolExecutor | None = None  # rows, while the load before them is made
        self._loading: ThreadPoolExecutor | None = None  # one load after the other
        self._waiting = 0
        self._report = LoadReport(name)

    @property
    def batch_age(self) -> float:
        return self.settings.every

    async def open(self) -> None:
        if self._store is None:
            url, password = self.settings.url, self.settings.password
            secret = password.get_secret_value() if password else None
            try:
                self._store = stores.store(url, secret, self.timeout, self.settings.key_file)
            except ImportError as error:
                needed = f"pip install 'event-router[{stores.extra_of(url)}]'"
                raise Unavailable(f"destination {self.name} needs a library: {needed}") from error
            self._loader = Loader(self._store, self._rules)
        self._making = self._making or ThreadPoolExecutor(1, f"rows-{self.name}")
        self._loading = self._loading or ThreadPoolExecutor(1, f"warehouse-{self.name}")

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        if not batch:
            return []
        self._waiting += 1
        try:
            load = await _in_thread(self._making, lambda: self._submit(batch))
            return await asyncio.wrap_future(load)
        finally:
            self._waiting -= 1

    async def check(self) -> Outcome:
        """Connect, without writing. A DuckDB file that is not there is made."""
        return await _in_thread(self._loading, self._ping)

    async def close(self) -> None:
        making, self._making = self._making, None
        if making is None or self._loading is None or self._store is None:
            return
        await asyncio.to_thread(making.shutdown)  # the last load is queued
        loading, self._loading = self._loading, None
        store, self._store = self._store, None
        loading.submit(store.close)
        await asyncio.to_thread(loading.shutdown)

    def _submit(self, batch: Sequence[Delivery]) -> Future[list[Outcome]]:
        """Make the rows, and queue their load before the next batch's."""
        assert self._loading is not None, "open() comes first"
        pending = PendingRows(self._rules)
        outcomes = [self._add(pending, event) for event in batch]
        return self._loading.submit(self._load, pending, outcomes)

    def _add(self, pending: PendingRows, event: Delivery) -> Outcome:
        try:
            wanted = pending.add(LoadEvent(event.source, event.body, event.idempotency_key, event.key))
        except Exception as error:  # an event that the mapping does not master costs nobody else
            log.exception("an event could not be made rows of", extra={"destination": self.name})
            return Outcome(Kind.REJECTED, "MAPPING_FAILED", type(error).__name__)
        return _LOADED if wanted else Outcome(Kind.FILTERED, "not_selected")

    # What follows runs in the loading thread.

    def _load(self, pending: PendingRows, outcomes: list[Outcome]) -> list[Outcome]:
        if any(one is _LOADED for one in outcomes):
            failed = self._attempt(lambda: self._run(pending), shared=len(outcomes) > 1)
            outcomes = [failed if failed is not None and one is _LOADED else one for one in outcomes]
        if self._waiting <= 1 and self._store is not None:
            self._store.idle()
        return outcomes

    def _run(self, pending: PendingRows) -> None:
        with self._report.timed():
            self._report.loaded(self._loader.load(pending))

    def _ping(self) -> Outcome:
        assert self._store is not None, "open() comes first"
        failed = self._attempt(self._store.ping, shared=False)
        if self._waiting == 0:
            self._store.idle()
        return failed or Outcome(Kind.DELIVERED, "200")

    def _attempt(self, work: Callable[[], None], *, shared: bool) -> Outcome | None:
        """What went wrong, None if nothing did."""
        assert self._store is not None, "open() comes first"
        try:
            work()
        except Exception as error:  # noqa: BLE001  each library has exceptions of its own
            failure = self._store.failure(error)
            return Outcome(_KINDS[failure.kind], failure.code, failure.detail, shared=shared)
        return None


async def _in_thread(thread: ThreadPoolExecutor | None, work: Callable[[], T]) -> T:
    """A cancelled caller does not stop a load that has begun: it ends, and what comes again is a repeat."""
    assert thread is not None, "open() comes first"
    return await asyncio.get_running_loop().run_in_executor(thread, work)
