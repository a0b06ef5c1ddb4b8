"""Sources whose events the router asks for itself: the rows of a query. Types and their settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import Field, field_validator, model_validator

from router.config.shape import SourceMap
from router.config.types import Duration, Secret
from router.partner_sources.base import PartnerSourceSettings

_SCHEMES = ("postgresql://", "postgres://", "duckdb:///")


class SqlSettings(PartnerSourceSettings):
    url: Secret = Field(description="The database: postgresql://…, or duckdb:///FILE")
    query: str = Field(min_length=1, description="A file of SQL (it ends with .sql), or the SQL itself; it only reads")
    key: str | tuple[str, ...] = Field(
        "id", description="The column, or columns, that a row is known by; no two rows may have the same"
    )
    cursor: str | None = Field(
        None,
        min_length=1,
        description="A column whose value grows whenever a row changes, such as updated_at: only rows from the last "
        "value on are asked for; left out: all rows, each time",
    )
    every: Duration = Field(
        "1h", validate_default=True, gt=0, description="How often `router up` and `router pull --follow` ask"
    )
    deleted: SourceMap = Field(
        {}, description="What becomes of a row that is no longer there: a map of its key columns; left out: nothing"
    )
    objects: str | None = Field(
        None,
        min_length=1,
        description="Rows are objects of this name, such as tickets, and no events of people: they go to warehouses "
        "and archives only, and need no map",
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: Secret) -> Secret:
        given = value.get_secret_value()
        if "://" in given and not given.startswith(_SCHEMES):
            raise ValueError("expected postgresql://… or duckdb:///FILE, got another kind of URL")
        return value

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if not self.columns or not all(self.columns):
            raise ValueError("expected key: the column that a row is known by, got none")
        if self.cursor is not None and self.deleted:
            raise ValueError("expected cursor or deleted, got both: with a cursor, what is gone is not seen")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the key."""
        return (self.key,) if isinstance(self.key, str) else self.key


PULLED: Mapping[str, type[SqlSettings]] = {"sql": SqlSettings}
SUMMARY = "A query on a database: new and changed rows as events, by `router up` or `router pull`"
