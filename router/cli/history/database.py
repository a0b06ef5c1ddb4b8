"""The query of a source, with what its answer must have: checked against the columns that come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from router.cli.sender import Target
from router.config.loader import Loaded
from router.config.pulled import PULLED, SqlSettings
from router.document import nearest
from router.errors import FileError, Problem, RouterError
from router.history.map_file import columns_in
from router.history.pull_cursor import PullCursor, columns_question
from router.history.pulled_rows import PulledRows
from router.history.sql_query import QueryRows, connected
from router.mask import SECRETS


@dataclass(frozen=True)
class Database:
    """Of one source."""

    source: str
    settings: SqlSettings
    mapping: Mapping[str, Any]
    target: Target

    @classmethod
    def of(cls, loaded: Loaded, source: str) -> Database:
        """Raises RouterError where the topology has no such source, or its database is not named."""
        target = Target(loaded.topology, source)
        config, settings = loaded.topology.sources[source], loaded.source_settings.get(source)
        if not isinstance(settings, SqlSettings):
            raise RouterError(f"expected a source of the type {', '.join(PULLED)}, got {source}, of type {config.type}")
        url = settings.url.get_secret_value()
        if "://" not in url:
            raise RouterError(f"sources.{source}.settings.url: expected postgresql://… or duckdb:///FILE, got neither")
        SECRETS.add([url])
        return cls(source, settings, config.map, target)

    def rows(self) -> PulledRows:
        settings = self.settings
        return PulledRows(self.source, settings.columns, self.mapping, settings.deleted, settings.objects)

    @contextmanager
    def asked(self) -> Iterator[Callable[[PullCursor | None], QueryRows]]:
        """The query's answer, or with a cursor what the query answers from its value on; the columns are checked.

        Raises FileError, RouterError for a query that is refused or lacks a column, Unavailable.
        """
        sql = self._sql()
        with connected(self.settings.url.get_secret_value(), f"sources.{self.source}: ") as ask:
            found = ask(sql if self.settings.cursor is None else columns_question(sql))
            self._check(found.columns)
            yield lambda cursor: found if cursor is None else ask(*cursor.question(sql))

    def question(self, cursor: PullCursor | None) -> str:
        """What the database is asked, as SQL. Raises FileError."""
        return cursor.shown(self._sql()) if cursor is not None else self._sql().strip()

    def _sql(self) -> str:
        given = self.settings.query
        if not given.endswith(".sql"):
            return given
        try:
            return Path(given).read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            what = getattr(error, "strerror", None) or "other bytes than UTF-8"
            raise FileError([Problem(given, 0, 0, "", f"expected a file of SQL, got {what}")]) from error

    def _check(self, columns: tuple[str, ...]) -> None:
        place = f"sources.{self.source}"
        twice = [name for name, count in Counter(columns).items() if count > 1]
        if twice:
            raise RouterError(f"{place}.settings.query: expected each column once, got {twice[0]} twice")
        for column in self.settings.columns:
            _require(column, columns, f"{place}.settings.key", "of the query")
        if self.settings.cursor is not None:
            _require(self.settings.cursor, columns, f"{place}.settings.cursor", "of the query")
        for target, expression in self.mapping.items():
            for column in columns_in(expression):
                _require(column, columns, f"{place}.map.{target}", "of the query")
        for target, expression in self.settings.deleted.items():
            for column in columns_in(expression):
                _require(column, self.settings.columns, f"{place}.settings.deleted.{target}", "of the key")


def pulled_sources(loaded: Loaded, chosen: Sequence[str] = ()) -> list[str]:
    """The sources whose events are rows of a query, or those of them that are chosen; none that is switched off."""
    topology = loaded.topology
    return [
        name for name, settings in loaded.source_settings.items()
        if isinstance(settings, SqlSettings) and (not chosen or name in chosen)
        and not topology.sources[name].refusal(topology.environment)
    ]  # fmt: skip


def _require(column: str, known: tuple[str, ...], place: str, of: str) -> None:
    if column not in known:
        hint = nearest(column, known)
        did_you_mean = f" (did you mean {hint}?)" if hint else ""
        listed = ", ".join(known) or "none"
        raise RouterError(f"{place}: expected a column {of} ({listed}), got {column}{did_you_mean}")
