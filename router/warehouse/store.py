"""What a load needs of a database, and the SQL that the databases have in common."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from router.warehouse.fitting import EVER, TableFit, Times
from router.warehouse.objects import StoredObject
from router.warehouse.rows import VERSIONS
from router.warehouse.values import ColumnType

Place = tuple[str, str]  # schema, table
Tables = dict[Place, dict[str, ColumnType]]


@dataclass(frozen=True, slots=True)
class Failure:
    """What an error means. `retry`: it passes by itself. `refused`: the settings or the database must be put right.
    `rejected`: the data is not taken, ever. `detail` is in words, without payload or credentials."""

    kind: Literal["retry", "refused", "rejected"]
    code: str
    detail: str


# Of HTTP clients, before there is an answer.
_UNREACHABLE: tuple[tuple[str, Literal["retry", "refused"], str, str], ...] = (
    (r"name or service not known|failed to resolve|nameresolution", "retry", "ENOTFOUND", "the host is not known"),
    (r"connection refused", "retry", "ECONNREFUSED", "nothing listens there"),
    (r"timed? ?out", "retry", "ETIMEDOUT", "the database did not answer in time"),
    (r"certificate|ssl|tls", "refused", "TLS", "no encrypted connection as the URL asks for"),
)


def unreachable(said: str) -> Failure | None:
    """What an HTTP client's message means; None where it is not about the connection."""
    for pattern, kind, code, words in _UNREACHABLE:
        if re.search(pattern, said, re.IGNORECASE):
            return Failure(kind, code, words)
    return None


class WarehouseStore(ABC):
    """A database. From `begin` to `commit` all is one transaction, which no other load of these schemas overlaps.

    Use it from one thread. Methods raise what the database's library raises: see `failure`.
    """

    key: ClassVar[str]  # of a table, after its columns
    mark: ClassVar[str]  # of a parameter
    type_names: ClassVar[Mapping[ColumnType, str]]
    read_types: ClassVar[Mapping[str, ColumnType]]  # as information_schema spells them; any other is none of ours
    times: ClassVar[Times] = EVER  # that it can hold

    @abstractmethod
    def begin(self, schemas: Sequence[str]) -> Tables:
        """Make the schemas that are missing; all tables in them, with their columns."""

    @abstractmethod
    def execute(self, sql: str, values: Sequence[Any] = ()) -> None: ...

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def insert(self, place: Place, fit: TableFit) -> int:
        """Add the rows whose id the table does not have: how many those were. No id is given twice."""

    @abstractmethod
    def upsert(self, place: Place, fit: TableFit) -> None:
        """Write the columns that each row has; its other columns stay."""

    @abstractmethod
    def commit(self) -> None: ...

    def rollback(self) -> None:
        """After an error of any kind: it raises nothing, and the next `begin` starts afresh, with a new connection.

        Some errors need one, and it does no harm after the others.
        """
        self.close()

    @abstractmethod
    def idle(self) -> None:
        """No further load is waiting."""

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def ping(self) -> None:
        """Raise what would keep a load from being made, as far as can be seen without making one."""

    @abstractmethod
    def failure(self, error: BaseException) -> Failure: ...

    def change(self, place: Place, fit: TableFit, *, new: bool) -> None:
        """Make the table, or add and widen its columns."""
        if new:
            columns = ", ".join(f"{quoted(name)} {self.type_names[kind]}" for name, kind in fit.added.items())
            self.execute(f"CREATE TABLE {target(place)} ({columns}{self.key})")
            return
        for name, kind in fit.added.items():
            self.execute(f"ALTER TABLE {target(place)} ADD COLUMN {quoted(name)} {self.type_names[kind]}")
        for name in fit.widened:
            self.widen(place, name)

    def widen(self, place: Place, column: str) -> None:
        """A column of whole numbers becomes one of fractions."""
        self.execute(f"ALTER TABLE {target(place)} ALTER COLUMN {quoted(column)} TYPE {self.type_names['float']}")

    def of_ids(self, ids: Sequence[str]) -> tuple[str, Sequence[Any]]:
        """The condition that a row has one of these ids, and its parameters."""
        return f"id = ANY({self.mark})", [list(ids)]

    def objects(self, place: Place, columns: Iterable[str], ids: Sequence[str]) -> dict[str, StoredObject]:
        """Those of the rows that are there, by id."""
        names = [name for name in columns if name not in ("id", VERSIONS)]
        values = "".join(f", {quoted(name)} IS NOT NULL" for name in names)
        condition, parameters = self.of_ids(ids)
        found = self.rows(f"SELECT id, {VERSIONS}{values} FROM {target(place)} WHERE {condition}", parameters)
        return self.read_objects(names, found)

    def read_objects(self, names: Sequence[str], found: Iterable[Sequence[Any]]) -> dict[str, StoredObject]:
        """From rows of id, versions, and for each of the columns whether it has a value."""
        return {
            key: StoredObject.read(versions, (name for name, given in zip(names, given_ones, strict=True) if given))
            for key, versions, *given_ones in found
        }

    def tables(self, found: Iterable[tuple[str, str, str, str]]) -> Tables:
        """From rows of schema, table, column and type."""
        tables: Tables = {}
        for schema, table, column, kind in found:
            tables.setdefault((schema, table), {})[column] = self.read_types.get(kind, "other")
        return tables


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def target(place: Place) -> str:
    return f"{quoted(place[0])}.{quoted(place[1])}"


def used(fit: TableFit) -> list[str]:
    """The columns that occur in the rows."""
    names = set().union(*fit.rows)
    return [name for name in fit.types if name in names]
