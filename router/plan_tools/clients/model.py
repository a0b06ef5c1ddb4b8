"""What a typed client is made of, in no language yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Scalar = Literal["any", "string", "number", "integer", "boolean", "null", "object"]


@dataclass(frozen=True, slots=True)
class Type:
    """A scalar, a union (`parts`), an array (`item`), literals (`options`), or a record by name."""

    scalar: Scalar = "any"
    parts: tuple[Type, ...] = ()
    item: Type | None = None
    options: tuple[Any, ...] = ()
    record: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: Type
    required: bool
    description: str = ""


@dataclass(slots=True)
class Record:
    """An object with known properties; `is_open` where it may have others."""

    name: str
    description: str = ""
    fields: list[Field] = field(default_factory=list)
    is_open: bool = False

    @property
    def required(self) -> bool:
        """Whether any property must be there."""
        return any(each.required for each in self.fields)


@dataclass(frozen=True, slots=True)
class Call:
    """A rule as a method: the call, the name it sends, the version it claims (0: none), what it takes."""

    type: str
    method: str
    name: str | None
    version: int
    description: str
    takes: Type
    required: bool


@dataclass(frozen=True, slots=True)
class TypedClient:
    """All methods of a plan, and the records they need, inner ones first."""

    plan: str
    revision: str
    calls: tuple[Call, ...]
    records: tuple[Record, ...]
