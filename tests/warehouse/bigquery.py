"""BigQuery's REST API on DuckDB: what the real client library asks of it, with SQLGlot between the two dialects.

The SQL is parsed as BigQuery's, so what it does not have is refused; transactions, constraints and conversions are
DuckDB's. `trouble` is answered in place of the next call whose path ends in a given word, as Google writes errors.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import sqlglot
from sqlglot import exp

from tests.serving import serving

Answer = tuple[int, Any]
_TYPES = {"BIGINT": "INTEGER", "DOUBLE": "FLOAT", "BOOLEAN": "BOOLEAN", "VARCHAR": "STRING", "HUGEINT": "INTEGER"}
_COLUMNS = {"BIGINT": "INT64", "DOUBLE": "FLOAT64", "BOOLEAN": "BOOL", "VARCHAR": "STRING"}


class Refused(Exception):
    """An answer of Google's that is an error."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.answer: Answer = (
            status, {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}}
        )  # fmt: skip


class BigQuery:
    """A project `shop-4711`. Tokens are asked for once `token` is set."""

    def __init__(self) -> None:
        self.database = duckdb.connect(":memory:", config={"threads": "1"})
        self.database.execute("SET TimeZone = 'UTC'")
        self.lock = threading.Lock()
        self.asked: list[str] = []  # statements
        self.troubles: list[tuple[str, Refused | Callable[[], None]]] = []
        self.jobs: dict[str, Any] = {}
        self.token = ""
        self.url = ""

    def trouble(self, where: str, what: Refused | Callable[[], None]) -> None:
        """Of the next call whose path or SQL has `where` in it: an error, or something that happens before it."""
        self.troubles.append((where, what))

    def meet(self, said: str) -> None:
        for one in [one for one in self.troubles if one[0] in said][:1]:
            self.troubles.remove(one)
            if isinstance(one[1], Refused):
                raise one[1]
            one[1]()

    # Datasets and tables.

    def dataset(self, name: str) -> Answer:
        found = self.database.execute("SELECT 1 FROM duckdb_schemas() WHERE schema_name = ?", [name]).fetchall()
        if not found:
            raise Refused(404, "notFound", f"Not found: Dataset shop-4711:{name}")
        return 200, {"datasetReference": {"projectId": "shop-4711", "datasetId": name}, "location": "EU"}

    def make_dataset(self, given: Any) -> Answer:
        self.database.execute(f'CREATE SCHEMA IF NOT EXISTS "{given["datasetReference"]["datasetId"]}"')
        return 200, given

    def make_table(self, given: Any) -> Answer:
        assert int(given["expirationTime"]) > 0
        place = given["tableReference"]
        columns = ", ".join(f'"{one["name"]}" {one["type"]}' for one in given["schema"]["fields"])
        self.database.execute(f'CREATE TABLE "{place["datasetId"]}"."{place["tableId"]}" ({_duck(columns)})')
        return 200, given

    def drop_table(self, dataset: str, table: str) -> Answer:
        self.database.execute(f'DROP TABLE "{dataset}"."{table}"')
        return 204, {}

    # Jobs.

    def load(self, config: Any, content: bytes) -> Answer:
        place = config["configuration"]["load"]["destinationTable"]
        rows = [json.loads(line) for line in content.splitlines()]
        columns = [one["name"] for one in config["configuration"]["load"]["schema"]["fields"]]
        self.database.executemany(
            f'INSERT INTO "{place["datasetId"]}"."{place["tableId"]}" VALUES ({", ".join("?" * len(columns))})',
            [[row[name] for name in columns] for row in rows],
        )
        job = config | {"status": {"state": "DONE"}, "id": config["jobReference"]["jobId"]}
        self.jobs[config["jobReference"]["jobId"]] = job
        return 200, job

    def query(self, given: Any) -> Answer:
        self.meet(given["query"])
        ids = [
            value["value"] for one in given.get("queryParameters", []) for value in one["parameterValue"]["arrayValues"]
        ]
        try:
            names, types, rows = self._script(given["query"], ids)
        except sqlglot.errors.ParseError as error:
            raise Refused(400, "invalidQuery", f"Syntax error: {error}") from error
        except duckdb.ConversionException as error:
            raise Refused(400, "invalidQuery", f"Bad int64 value: {error}") from error
        except duckdb.CatalogException as error:
            raise Refused(404, "notFound", f"Not found: Table {error}") from error
        except duckdb.Error as error:
            raise Refused(400, "invalidQuery", f"Query error: {error}") from error
        fields = [{"name": name, "type": kind, "mode": "NULLABLE"} for name, kind in zip(names, types, strict=True)]
        return 200, {
            "jobComplete": True, "schema": {"fields": fields}, "totalRows": str(len(rows)),
            "rows": [{"f": [{"v": _cell(value)} for value in row]} for row in rows],
            "jobReference": {"projectId": "shop-4711", "jobId": "asked", "location": "EU"},
        }  # fmt: skip

    def _script(self, sql: str, ids: list[str]) -> tuple[list[str], list[str], list[Any]]:
        began = False
        result: tuple[list[str], list[str], list[Any]] = ([], [], [])
        try:
            for statement in [part for part in sql.split(";\n") if part.strip(" ;")]:
                self.asked.append(statement.strip(" ;"))
                began = began or statement.startswith("BEGIN TRANSACTION")
                result = self._statement(statement.strip(" ;"), ids)
        except BaseException:
            if began:
                self.database.execute("ROLLBACK")
            raise
        return result

    def _statement(self, sql: str, ids: list[str]) -> tuple[list[str], list[str], list[Any]]:
        for translated, some in self._translated(sql, ids):
            found = self.database.execute(translated, some)
        if found.description is None or not sql.startswith("SELECT"):
            return [], [], []
        names = [one[0] for one in found.description]
        types = [_TYPES.get(str(one[1]), "TIMESTAMP") for one in found.description]
        return names, types, found.fetchall()

    def _translated(self, sql: str, ids: list[str]) -> Iterator[tuple[str, Any]]:
        if "INFORMATION_SCHEMA.COLUMNS" in sql:
            schema = sql.split("`")[3]
            spelt = " ".join(f"WHEN '{ours}' THEN '{theirs}'" for ours, theirs in _COLUMNS.items())
            kind = f"lower(CASE data_type {spelt} ELSE 'TIMESTAMP' END)"
            yield f"SELECT table_name, column_name, {kind} FROM duckdb_columns() WHERE schema_name = ?", [schema]
            return
        tree = sqlglot.parse_one(sql, read="bigquery")
        assert not isinstance(tree, exp.Command), f"not parsed: {sql}"
        if isinstance(tree, exp.Create):
            tree.set("properties", None)  # partitions and clusters
        actions = tree.args["actions"] if isinstance(tree, exp.Alter) else [None]
        for action in actions:  # DuckDB takes one at a time
            if action is not None:
                tree.set("actions", [action])
            made = tree.sql("duckdb").replace('"shop-4711".', "")
            yield made, {"ids": ids} if "$ids" in made else {}


def _duck(columns: str) -> str:
    return columns.replace("INT64", "BIGINT").replace("INTEGER", "BIGINT").replace("STRING", "VARCHAR")


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if hasattr(value, "timestamp"):
        return str(round(value.timestamp() * 1_000_000))
    return repr(value)


@contextmanager
def running() -> Iterator[BigQuery]:
    """Until the end of the context."""
    made = BigQuery()

    class Requests(_Requests):
        partner = made

    with closing(made.database), serving(ThreadingHTTPServer(("127.0.0.1", 0), Requests)) as place:
        made.url = f"http://{place}"
        yield made


class _Requests(BaseHTTPRequestHandler):
    partner: BigQuery
    protocol_version = "HTTP/1.1"
    started: dict[str, Any] = {}  # noqa: RUF012  resumable uploads, by their address

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        extra: dict[str, str] = {}
        with self.partner.lock:
            try:
                status, answer = self._route(urlsplit(self.path).path, body, extra)
            except Refused as refused:
                status, answer = refused.answer
        content = json.dumps(answer).encode() if status != 204 else b""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **extra}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815  as the base class calls them

    def _route(self, path: str, body: bytes, extra: dict[str, str]) -> Answer:
        partner = self.partner
        partner.meet(path)
        if path == "/token":
            return 200, {"access_token": partner.token, "expires_in": 3600, "token_type": "Bearer"}
        if partner.token and self.headers.get("Authorization") != f"Bearer {partner.token}":
            raise Refused(401, "authError", "Invalid Credentials")
        project, *rest = path.partition("/projects/")[2].split("/")
        if project != "shop-4711":
            raise Refused(404, "notFound", f"Not found: Project {project}")
        if path.startswith("/upload/"):
            return self._upload(body, extra)
        given = json.loads(body) if body else {}
        match self.command, *rest:
            case "GET", "datasets", name:
                return partner.dataset(name)
            case "POST", "datasets":
                return partner.make_dataset(given)
            case "POST", "datasets", _, "tables":
                return partner.make_table(given)
            case "DELETE", "datasets", name, "tables", table:
                return partner.drop_table(name, table)
            case "POST", "queries":
                return partner.query(given)
            case "GET", "jobs", name:
                return 200, partner.jobs[name]
        raise Refused(404, "notFound", f"Not found: {self.command} {path}")

    def _upload(self, body: bytes, extra: dict[str, str]) -> Answer:
        query = parse_qs(urlsplit(self.path).query)
        if query["uploadType"] == ["multipart"]:
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            config, content = (part.get_payload(decode=True) for part in _parts(head + body))
            return self.partner.load(json.loads(config), content)
        if "upload_id" in query:
            return self.partner.load(self.started.pop(query["upload_id"][0]), body)
        given = json.loads(body)
        name = given["jobReference"]["jobId"]
        self.started[name] = given
        extra["Location"] = f"{self.partner.url}{self.path}&upload_id={name}"
        return 200, {}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as the base class calls it
        """No log."""


def _parts(message: bytes) -> list[Any]:
    payload = BytesParser().parsebytes(re.sub(rb"content-type", b"Content-Type", message)).get_payload()
    assert isinstance(payload, list)
    return payload
