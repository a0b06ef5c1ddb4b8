"""A Snowflake account on DuckDB: what the real connector asks of it over HTTP, with SQLGlot between the two dialects.

As there: DDL commits an open transaction, UPDATE and MERGE lock their table until it ends, a lock whose holder says
nothing more is broken, names without quotes are upper case, statements that compute need a virtual warehouse, a request
that comes twice is answered once, a session that has ended has no transaction and no temporary objects. Files of a
stage go by signed URLs, as in accounts on Google's cloud, to this same server. What is not spoken here is refused.
"""

from __future__ import annotations

import gzip
import json
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from tests.warehouse import snowflake_sql
from tests.warehouse.snowflake_sessions import Session, Sessions
from tests.warehouse.snowflake_sql import COMPILING, Refused, definitions, done, names, spoken, success, temporary_type

_COMPUTES = (exp.Insert, exp.Update, exp.Merge, exp.Copy)
_REFUSALS: tuple[tuple[type[duckdb.Error], str, str, str], ...] = (
    (duckdb.ConversionException, "", "100038", "22018"), (duckdb.ParserException, "", "001003", "42000"),
    (duckdb.CatalogException, "column.*already exists", "001430", "42601"),
    (duckdb.CatalogException, "already exists", "002002", "42710"), (duckdb.CatalogException, "", "002003", "42S02"),
    (duckdb.BinderException, "", "000904", "42000"), (duckdb.TransactionException, "", "000625", "57014"),
)  # fmt: skip


class Snowflake(Sessions):
    """The account `xy12345`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []  # statements, in order
        self.troubles: list[tuple[str, BaseException | Callable[[], object]]] = []
        self.denied: set[str] = set()  # statements by their beginning, which no role may make
        self.answers: dict[str, dict[str, Any]] = {}  # by requestId
        self.patience = 3.0  # seconds after which a silent session loses a lock that another wants
        self.url = ""

    def trouble(self, where: str, what: BaseException | Callable[[], object], *, after: bool = False) -> None:
        """Of the next statement with `where` in it: an error in its place, or something that happens before it."""
        self.troubles.append((f"after {where}" if after else where, what))

    def meet(self, said: str) -> None:
        for one in [one for one in self.troubles if one[0] in said][:1]:
            self.troubles.remove(one)
            if isinstance(one[1], BaseException):
                raise one[1]
            one[1]()

    # Statements.

    def query(self, session: Session, request: str, given: dict[str, Any]) -> dict[str, Any]:
        session.seen = time.monotonic()
        if request not in self.answers:
            sql = given["sqlText"]
            self.asked.append(sql)
            self.meet(sql)
            self.answers[request] = self._answer(session, sql, given.get("bindings") or {})
            self.meet(f"after {sql}")
        return self.answers[request]

    def _answer(self, session: Session, sql: str, bindings: dict[str, Any]) -> dict[str, Any]:
        if any(sql.startswith(beginning) for beginning in self.denied):
            of = "database 'SHOP'" if "SCHEMA" in sql else "schema 'WEB'"
            said = f"SQL access control error:\nInsufficient privileges to operate on {of}"
            raise Refused("003001", "42501", said)
        if sql.startswith("PUT "):
            return self._put(session, sql)
        try:
            tree = sqlglot.parse_one(sql, read="snowflake")
        except sqlglot.errors.SqlglotError as error:
            raise Refused("001003", "42000", f"{COMPILING}syntax error {error}") from error
        values = [bindings[str(number + 1)]["value"] for number in range(len(bindings))]
        return self._statement(session, tree, values)

    def _statement(self, session: Session, tree: exp.Expr, values: list[str]) -> dict[str, Any]:
        kind = type(tree)
        if kind in (exp.Transaction, exp.Commit, exp.Rollback):
            if kind is exp.Transaction:
                session.open = True
            else:
                self.close(session, "COMMIT" if kind is exp.Commit else "ROLLBACK")
            return done("Statement executed successfully.")
        self._allow(session, tree)
        names(tree)
        if kind in (exp.Create, exp.Alter, exp.Drop):
            self.close(session, "COMMIT")
            return self._define(session, tree)
        if isinstance(tree, (exp.Update, exp.Merge)):
            self._lock(session, tree)
        if session.open and not session.begun:
            session.cursor.execute("BEGIN")
            session.begun = True
        try:
            return self._copy(session, tree) if isinstance(tree, exp.Copy) else self._run(session, tree, values)
        finally:
            if not session.open:
                self.close(session, "COMMIT")

    def _allow(self, session: Session, tree: exp.Expr) -> None:
        if not isinstance(tree, (exp.Select, exp.Create, exp.Alter, exp.Drop, *_COMPUTES)):
            raise Refused("001003", "42000", f"{COMPILING}syntax error: not spoken here")
        if session.database is None:
            said = "Cannot perform operation. This session does not have a current database."
            raise Refused("090105", "22000", said)
        reads = isinstance(tree, exp.Select) and tree.find(exp.Table) is not None
        if session.warehouse is None and (reads or isinstance(tree, _COMPUTES)):
            said = "No active warehouse selected in the current session.  Select an active warehouse with the "
            raise Refused("000606", "57P03", f"{said}'use warehouse' command.\n")

    def _lock(self, session: Session, tree: exp.Expr) -> None:
        """Wait for whoever has changed rows of the table, as long as it is known to be there."""
        table = tree.this.sql("duckdb")
        until = time.monotonic() + session.lock_timeout
        while (holder := self.locks.get(table)) not in (None, session):
            assert holder is not None
            if holder.seen + self.patience < time.monotonic():
                self.close(holder, "ROLLBACK")
            elif until < time.monotonic():
                raise Refused("000625", "57014", f"Statement has locked table {table}: the lock is not yet released.")
            else:
                self.changed.wait(0.02)
        self.locks[table] = session

    def _define(self, session: Session, tree: exp.Expr) -> dict[str, Any]:
        if isinstance(tree, exp.Create) and tree.kind == "STAGE":
            session.stages[tree.this.sql("duckdb")] = f"/stages/{uuid.uuid4()}/"
            return done("Stage area successfully created.")
        if isinstance(tree, exp.Alter):
            allowed = (exp.ColumnDef, exp.RenameColumn, exp.Drop)
            for action in tree.args["actions"]:
                if not isinstance(action, allowed):
                    raise Refused("002108", "22000", f"{COMPILING}cannot change column from type NUMBER to FLOAT")
        if isinstance(tree, exp.Create) and tree.kind == "TABLE" and tree.find(exp.TemporaryProperty):
            table = tree.this.this
            name = session.temporary.setdefault(table.sql("duckdb"), f'memory.main."{uuid.uuid4().hex}"')
            columns = ", ".join(f'"{one.name}" {temporary_type(one)}' for one in tree.this.expressions)
            session.cursor.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
        else:
            for made in definitions(tree):
                self._execute(session, made, [])
        return done("Statement executed successfully.")

    def _run(self, session: Session, tree: exp.Expr, values: list[str]) -> dict[str, Any]:
        sql = spoken(tree)
        for name, value in (("DATABASE", session.database), ("WAREHOUSE", session.warehouse)):
            sql = sql.replace(f"CURRENT_{name}()", f"'{value}'" if value else "CAST(NULL AS TEXT)")
        for ours, theirs in session.temporary.items():
            sql = sql.replace(f" {ours}", f" {theirs}")
        found = self._execute(session, sql, values)
        return snowflake_sql.read(found) if isinstance(tree, exp.Select) else snowflake_sql.changed(tree, found)

    def _execute(self, session: Session, sql: str, values: list[str]) -> Any:
        try:
            return session.cursor.execute(sql, values)
        except duckdb.Error as error:
            for kind, words, number, state in _REFUSALS:
                if isinstance(error, kind) and re.search(words, str(error), re.IGNORECASE):
                    raise Refused(number, state, f"{COMPILING}{error}") from error
            raise

    # Files.

    def _put(self, session: Session, sql: str) -> dict[str, Any]:
        found = re.fullmatch(r"PUT file://(\S+) @(\S+) AUTO_COMPRESS = TRUE OVERWRITE = TRUE", sql)
        if found is None or found[2] not in session.stages:
            raise Refused("002003", "02000", f"{COMPILING}Stage does not exist or not authorized.")
        folder = session.stages[found[2]]
        return success(
            {
                "command": "UPLOAD", "operation": "Node", "src_locations": [found[1]], "parallel": 4,
                "threshold": 209_715_200, "autoCompress": True, "overwrite": True, "encryptionMaterial": None,
                "sourceCompression": "auto_detect", "clientShowEncryptionParameter": False, "localLocation": None,
                "queryId": str(uuid.uuid4()),
                "stageInfo": {
                    "locationType": "GCS", "location": folder, "path": folder, "region": "EU", "creds": {},
                    "storageAccount": None, "isClientSideEncrypted": False, "endPoint": None,
                    "presignedUrl": f"{self.url}{folder}{found[1]}.gz?X-Goog-Signature=0",
                },
            }
        )  # fmt: skip

    def _copy(self, session: Session, tree: exp.Copy) -> dict[str, Any]:
        """JSON lines into columns of the same names: that, and nothing else, is spoken here."""
        table, sql = tree.this.this.sql("duckdb"), tree.sql("snowflake")
        (stage,), fields = re.findall(r"@(\S+?)\)", sql), re.findall(r"GET_PATH\(\$1, '(\w+)'\)", sql)
        if table not in session.temporary or stage not in session.stages:
            raise Refused("002003", "02000", f"{COMPILING}Table or stage does not exist or not authorized.")
        files = {name: content for name, content in self.files.items() if name.startswith(session.stages[stage])}
        rows: list[list[str]] = []
        for line in b"".join(map(gzip.decompress, files.values())).splitlines():
            if len(line) > snowflake_sql.LARGEST:
                said = f"Max LOB size ({snowflake_sql.LARGEST}) exceeded, actual size of parsed column is {len(line)}"
                raise Refused("100082", "22000", said)
            given = json.loads(line)
            rows.append([json.dumps(given[name]) for name in fields])
        if not rows:
            return done("Copy executed with 0 files processed.")
        session.cursor.executemany(f"INSERT INTO {session.temporary[table]} VALUES (?, ?)", rows)
        return snowflake_sql.copied(next(iter(files)), len(rows))
