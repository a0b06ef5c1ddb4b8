"""Google BigQuery: rows by a load job into one staging table, then one script, a transaction, for each schema.

Nothing is written before `commit`, which alters tables, uploads the rows of all tables as NDJSON, and runs the scripts.
BigQuery locks nothing for us, so each schema has a table `_loading` whose only row says which load was the last:
`begin` reads it, and a script begins by replacing it. Where another load was there in between it fails as a whole, and
the load is made again with what is there now. A script that ran although its answer was lost is thus not run twice, and
its rows are repeats. kill -9 leaves the staging table behind, which BigQuery drops a day later.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import parse_qs, urlsplit

import orjson

from router.warehouse.fitting import TableFit
from router.warehouse.names import DISCARDS, NAMES, OBJECT_TABLES
from router.warehouse.staged import LOADING, StagedStore
from router.warehouse.store import Failure, Place, Tables, unreachable
from router.warehouse.values import ColumnType, Values

if TYPE_CHECKING:
    from google.cloud.bigquery import Client

_STAGED = "_staged_"  # no event's table begins like that
_TABLES_AT_A_TIME = 90  # of the 100 that a transaction may change
_SCRIPT = 900_000  # characters, of the million that a query may have
_LONGEST = 600.0  # seconds, of one job
_BY_ID = OBJECT_TABLES | {DISCARDS, NAMES}
# By the reason that BigQuery gives.
_REASONS: dict[str, tuple[Literal["retry", "refused", "rejected"], str, str]] = {
    "accessDenied": ("refused", "NO_RIGHT", "the account has no right to do this"),
    "authError": ("refused", "NOT_ACCEPTED", "the credentials are not accepted"),
    "billingNotEnabled": ("refused", "NO_BILLING", "the project has no billing, without which no row can be changed"),
    "quotaExceeded": ("retry", "QUOTA", "a quota of the project or of a table is used up"),
    "rateLimitExceeded": ("retry", "QUOTA", "more requests than the project or a table may have"),
    "resourcesExceeded": ("rejected", "TOO_LARGE", "a load is too large for one query"),
    "backendError": ("retry", "BACKEND", "BigQuery has a problem of its own"),
    "internalError": ("retry", "BACKEND", "BigQuery has a problem of its own"),
    "jobBackendError": ("retry", "BACKEND", "BigQuery has a problem of its own"),
    "timeout": ("retry", "ETIMEDOUT", "BigQuery did not answer in time"),
    "stopped": ("retry", "STOPPED", "somebody stopped the job"),
}
# By its message, where several things have one reason.
_SAID: tuple[tuple[str, Literal["retry", "refused", "rejected"], str, str], ...] = (
    (r"concurrent update|another load|could not serialize", "retry", "IN_THE_WAY", "another load was in the way"),
    (r"was not found in location", "refused", "WRONG_LOCATION", "a dataset is in another location than the URL says"),
    (r"not found: project|unknown project", "refused", "NO_DATABASE", "there is no such project"),
    (r"not found: (dataset|table)", "retry", "GONE", "a dataset or table was dropped: it is made again"),
    (r"too many (total leaf fields|columns|fields)", "refused", "TOO_MANY_COLUMNS",
     "a table has all the columns that BigQuery allows"),
    (r"bad (int64|double|bool|string) value|could not cast|invalid timestamp|out of range", "rejected", "NOT_CONVERTED",
     "a column does not take a value"),
)  # fmt: skip
_NOT_ACCEPTED: dict[str, str] = {
    "InvalidOperation": "the credentials are not accepted",
    "RefreshError": "the credentials are not accepted",
    "DefaultCredentialsError": "there are no credentials: neither key_file nor those of the environment",
    "MalformedError": "key_file holds no key of a service account",
    "FileNotFoundError": "there is no such key_file",
    "PermissionError": "no right to read key_file",
}

log = logging.getLogger(__name__)


class BigQueryStore(StagedStore):
    type_names: ClassVar[Mapping[ColumnType, str]] = {
        "int": "INT64", "float": "FLOAT64", "boolean": "BOOL", "datetime": "TIMESTAMP", "text": "STRING",
    }  # fmt: skip
    read_types: ClassVar[Mapping[str, ColumnType]] = {made.lower(): kind for kind, made in type_names.items()}

    def __init__(self, url: str, key_file: Path | None, timeout: float) -> None:
        place = urlsplit(url)
        options = parse_qs(place.query)
        self._project = place.netloc
        self._location = options.get("location", [None])[0]
        self._endpoint = options.get("endpoint", [""])[0]
        self._key_file = key_file
        self._timeout = timeout
        self._client: Client | None = None
        super().__init__()

    def _forget(self) -> None:
        super()._forget()
        self._staging = f"{_STAGED}{uuid.uuid4().hex}"

    @property
    def _db(self) -> Client:
        from google.auth.credentials import AnonymousCredentials  # only where a topology has such a place
        from google.cloud import bigquery
        from google.oauth2 import service_account

        if self._client is None:
            credentials: Any = None  # of the environment
            if self._key_file is not None:
                scopes = ["https://www.googleapis.com/auth/bigquery"]
                made: Any = service_account.Credentials
                credentials = made.from_service_account_file(str(self._key_file), scopes=scopes)
            elif self._endpoint.startswith("http://"):
                made = AnonymousCredentials
                credentials = made()
            self._client = bigquery.Client(
                self._project, credentials, location=self._location,
                client_options={"api_endpoint": self._endpoint} if self._endpoint else None,
            )  # fmt: skip
        return self._client

    @property
    def _calls(self) -> dict[str, Any]:
        """How long a call is repeated, and waited for."""
        from google.cloud.bigquery import DEFAULT_RETRY

        return {"retry": DEFAULT_RETRY.with_timeout(self._timeout), "timeout": max(10.0, self._timeout)}

    def _name(self, column: str) -> str:
        return f"`{column}`"

    def _of(self, schema: str, table: str) -> str:
        """No name of ours has a backtick."""
        return f"`{self._project}`.`{schema}`.`{table}`"

    def begin(self, schemas: Sequence[str]) -> Tables:
        self._forget()
        found: list[tuple[str, str, str, str]] = []
        for schema in schemas:
            if schema not in self._known:
                self._make(schema)
            ((self._last[schema],),) = self.rows(f"SELECT load FROM {self._of(schema, LOADING)}")
            columns = self.rows(
                "SELECT table_name, column_name, LOWER(data_type) FROM "
                f"`{self._project}`.`{schema}`.INFORMATION_SCHEMA.COLUMNS"
            )
            own = (row for row in columns if row[0] != LOADING and not row[0].startswith(_STAGED))
            found += [(schema, *row) for row in own]
        self._tables = self.tables(found)
        return {place: dict(types) for place, types in self._tables.items()}

    def _make(self, schema: str) -> None:
        from google.api_core.exceptions import NotFound
        from google.cloud.bigquery import Dataset

        try:
            self._db.get_dataset(f"{self._project}.{schema}", **self._calls)
        except NotFound:  # to ask for it takes fewer rights than to make it
            made = Dataset(f"{self._project}.{schema}")
            made.location = self._location
            self._db.create_dataset(made, exists_ok=True, **self._calls)
        self.execute(f"CREATE TABLE IF NOT EXISTS {self._of(schema, LOADING)} AS SELECT '' AS load")
        self._known.add(schema)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        self.rows(sql, values)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """At most one value, a list of texts: `@ids` in the SQL."""
        from google.cloud.bigquery import ArrayQueryParameter, QueryJobConfig

        given = [ArrayQueryParameter("ids", "STRING", ids) for ids in values]
        no_retry: Any = None  # of what was run and failed: the whole load is made again
        calls = self._calls
        found = self._db.query_and_wait(
            sql, job_config=QueryJobConfig(query_parameters=given), api_timeout=calls["timeout"], retry=calls["retry"],
            job_retry=no_retry, wait_timeout=_LONGEST,
        )  # fmt: skip
        return [row.values() for row in found]

    def change(self, place: Place, fit: TableFit, *, new: bool) -> None:
        """All columns of a table at once, as it may be altered only a few times in ten seconds."""
        table, columns = self._of(*place), {f"`{name}`": self.type_names[kind] for name, kind in fit.added.items()}
        if new:
            order = "CLUSTER BY id"
            if place[1] not in _BY_ID:
                order = "PARTITION BY TIMESTAMP_TRUNC(received_at, MONTH) CLUSTER BY received_at"
            spelt = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            self._changes.append(f"CREATE TABLE IF NOT EXISTS {table} ({spelt}) {order}")
            return
        added = [f"ADD COLUMN IF NOT EXISTS {name} {kind}" for name, kind in columns.items()]
        wider = [f"ALTER COLUMN `{name}` SET DATA TYPE FLOAT64" for name in fit.widened]
        self._changes += [f"ALTER TABLE {table} {', '.join(some)}" for some in (added, wider) if some]

    def _content(self, row: Values) -> Any:
        return orjson.dumps(row).decode()

    def _staged(self, part: int, columns: Mapping[str, ColumnType]) -> str:
        values = ", ".join(f"{self._read(name, kind)} AS {self._name(name)}" for name, kind in columns.items())
        return f"SELECT {values} FROM {_STAGED} WHERE part = {part}"

    def _read(self, name: str, kind: ColumnType) -> str:
        text = f"JSON_VALUE(content, '$.{name}')"
        return text if kind == "text" else f"CAST({text} AS {self.type_names[kind]})"

    def of_ids(self, ids: Sequence[str]) -> tuple[str, Sequence[Any]]:
        return "id IN UNNEST(@ids)", [ids]

    def commit(self) -> None:
        for sql in self._changes:
            self.execute(sql)
        if self._statements:
            self._upload()
            for schema, part in self._parts():
                self._run(schema, part)
            self._drop_staging()
        self._forget()

    def _upload(self) -> None:
        from google.cloud.bigquery import LoadJobConfig, SchemaField, Table

        columns = [SchemaField("part", "INT64"), SchemaField("content", "STRING")]
        table = Table(f"{self._project}.{self._statements[0][0]}.{self._staging}", columns)
        table.expires = datetime.now(UTC) + timedelta(days=1)
        self._db.create_table(table, **self._calls)
        job = self._db.load_table_from_file(
            self._rows, table.reference, rewind=True, size=self._rows.tell(), job_id_prefix="event-router-",
            job_config=LoadJobConfig(
                schema=columns, source_format="NEWLINE_DELIMITED_JSON", write_disposition="WRITE_TRUNCATE"
            ),
        )  # fmt: skip
        job.result(retry=self._calls["retry"], timeout=_LONGEST)

    def _parts(self) -> Iterator[tuple[str, list[str]]]:
        """Statements of one schema, as many as a script can have."""
        staged = self._of(self._statements[0][0], self._staging)
        part: list[str] = []
        schema, size = "", 0
        for owner, statement in sorted(self._statements, key=lambda one: one[0]):
            sql = statement.replace(f" FROM {_STAGED} ", f" FROM {staged} ")
            if part and (owner != schema or len(part) == _TABLES_AT_A_TIME or size + len(sql) > _SCRIPT):
                yield schema, part
                part, size = [], 0
            schema, size = owner, size + len(sql)
            part.append(sql)
        yield schema, part

    def _run(self, schema: str, statements: Sequence[str]) -> None:
        last, mine, loading = self._last[schema], uuid.uuid4().hex, self._of(schema, LOADING)
        self.execute(";\n".join(chain(
            ["BEGIN TRANSACTION",
             f"UPDATE {loading} SET load = IF(load = '{last}', '{mine}', ERROR('another load was in the way')) "
             "WHERE TRUE"],
            statements,
            ["COMMIT TRANSACTION;"],
        )))  # fmt: skip
        self._last[schema] = mine

    def _drop_staging(self) -> None:
        place = f"{self._project}.{self._statements[0][0]}.{self._staging}"
        try:
            self._db.delete_table(place, not_found_ok=True, **self._calls)
        except Exception as error:  # noqa: BLE001  what is loaded is loaded
            log.warning(
                "a staging table could not be dropped: it expires in a day", extra={"why": type(error).__name__}
            )

    def idle(self) -> None:
        """The client stays: the next load needs it."""

    def close(self) -> None:
        client: Any = self._client  # whose types are half there
        self._client = None
        if client is not None:
            client.close()

    def ping(self) -> None:
        self.rows("SELECT 1")

    def failure(self, error: BaseException) -> Failure:
        error = getattr(error, "cause", None) or error  # of calls that were repeated in vain
        name, said = type(error).__name__, str(error)
        if name in _NOT_ACCEPTED:
            return Failure("refused", "NOT_ACCEPTED", _NOT_ACCEPTED[name])
        for pattern, kind, code, words in _SAID:
            if re.search(pattern, said, re.IGNORECASE):
                return Failure(kind, code, words)
        given = getattr(error, "errors", None) or [{}]
        reason = str(given[0].get("reason", "")) if isinstance(given[0], dict) else ""
        status = getattr(error, "code", None)
        if reason in _REASONS or status in _STATUSES:
            return Failure(*_REASONS[reason if reason in _REASONS else _STATUSES[status]])
        return unreachable(said) or Failure("retry", "WAREHOUSE_FAILED", f"{name} {reason}".rstrip())


_STATUSES: dict[Any, str] = {
    401: "authError", 403: "accessDenied", 413: "resourcesExceeded", 429: "rateLimitExceeded", 500: "backendError",
    502: "backendError", 503: "backendError", 504: "timeout",
}  # fmt: skip
