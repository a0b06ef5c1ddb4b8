"""What stores have in common whose load is one upload: nothing is written before `commit`.

Until then they keep the rows of all tables, as lines of JSON, and the statements that will take them from where they
were staged. Each schema has a table `_loading` that says which load was the last.
"""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from router.warehouse.fitting import TableFit
from router.warehouse.objects import StoredObject
from router.warehouse.rows import VERSIONS
from router.warehouse.store import Place, Tables, WarehouseStore, used
from router.warehouse.values import ColumnType, Values

LOADING = "_loading"  # no event's table begins like that
_IDS_AT_A_TIME = 10_000


class StagedStore(WarehouseStore):
    """`begin` must set `_tables`, and `_last` of each schema; `commit` ends with `_forget`."""

    key = mark = ""  # of neither is there any

    def __init__(self) -> None:
        self._known: set[str] = set()  # schemas that were there
        self._forget()

    def _forget(self) -> None:
        self._tables: Tables = {}
        self._last: dict[str, str] = {}  # load of each schema
        self._changes: list[str] = []
        self._statements: list[tuple[str, str]] = []  # schema and SQL
        self._rows = io.BytesIO()

    @abstractmethod
    def _name(self, column: str) -> str:
        """As SQL has it."""

    @abstractmethod
    def _of(self, schema: str, table: str) -> str:
        """A table, as SQL has it."""

    @abstractmethod
    def _staged(self, part: int, columns: Mapping[str, ColumnType]) -> str:
        """The query that gives back the rows of one part of what was staged, each value in its type."""

    def _content(self, row: Values) -> Any:
        """What is staged of a row."""
        return row

    def insert(self, place: Place, fit: TableFit) -> int:
        there = {key for (key,) in self._of_ids(self._name("id"), place, [row["id"] for row in fit.rows])}
        rows = [row for row in fit.rows if row["id"] not in there]
        if rows:
            names, staged = self._stage(fit, rows)
            columns = ", ".join(map(self._name, names))
            self._statements.append((place[0], f"INSERT INTO {self._of(*place)} ({columns}) {staged}"))
        return len(rows)

    def upsert(self, place: Place, fit: TableFit) -> None:
        raw, staged = self._stage(fit, fit.rows)
        id_, names = self._name("id"), [self._name(name) for name in raw]
        changes = ", ".join(f"{name} = COALESCE(staged.{name}, stored.{name})" for name in names if name != id_)
        given = ", ".join(f"staged.{name}" for name in names)
        self._statements.append(
            (
                place[0],
                f"MERGE INTO {self._of(*place)} AS stored USING ({staged}) AS staged ON stored.{id_} = staged.{id_} "
                f"WHEN MATCHED THEN UPDATE SET {changes} "
                f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({given})",
            )
        )

    def _stage(self, fit: TableFit, rows: Iterable[Values]) -> tuple[list[str], str]:
        """Keep rows for the upload: their columns, and the query that gives them back."""
        part, names = len(self._statements), used(fit)
        self._rows.writelines(
            orjson.dumps({"part": part, "content": self._content(row)}, option=orjson.OPT_APPEND_NEWLINE)
            for row in rows
        )
        return names, self._staged(part, {name: fit.types[name] for name in names})

    def objects(self, place: Place, columns: Iterable[str], ids: Sequence[str]) -> dict[str, StoredObject]:
        known = self._tables.get(place, {})
        names = [name for name in columns if name in known and name not in ("id", VERSIONS)]
        given = "".join(f", {self._name(name)} IS NOT NULL" for name in names)
        wanted = f"{self._name('id')}, {self._name(VERSIONS)}{given}"
        return self.read_objects(names, self._of_ids(wanted, place, ids))

    def _of_ids(self, columns: str, place: Place, ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Of the rows with one of these ids; a table that `commit` is to make has none."""
        if place in self._tables:
            for start in range(0, len(ids), _IDS_AT_A_TIME):
                condition, values = self.of_ids(ids[start : start + _IDS_AT_A_TIME])
                yield from self.rows(f"SELECT {columns} FROM {self._of(*place)} WHERE {condition}", values)

    def rollback(self) -> None:
        """What was staged goes by itself: with the session that is closed, or when it expires."""
        self._forget()
        self._known.clear()
        self.close()
