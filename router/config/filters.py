"""`filters:` of a destination: conditions in FQL, and what is done with an event for which they hold."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from router.config.explain import shown
from router.config.types import Fraction, Model
from router.fql import FqlError, compile_query
from router.mapping.path import MappingError, parts_of

MAX_FILTERS = 100  # of a destination: each is asked about every event
SECTIONS = ("properties", "traits", "context")
_KINDS = ("drop", "sample", "keep", "remove")


def _query(text: str) -> str:
    try:
        compile_query(text)
    except FqlError as error:
        place = f"column {error.column}" if error.line == 1 else f"line {error.line}, column {error.column}"
        hint = f" (did you mean {error.hint}?)" if error.hint else ""
        raise ValueError(f"expected {error.expected} at {place} of the query, got {error.got}{hint}") from None
    return text


def _path(text: str) -> str:
    try:
        parts = parts_of(text)
    except MappingError as error:
        raise ValueError(error.problem) from None
    if not parts:
        raise ValueError("expected a path such as userId, got $, which is the whole event")
    return text


def _field(text: str) -> str:
    parts = parts_of(_path(text))
    if parts[0] not in SECTIONS or len(parts) < 2:
        raise ValueError(f"expected a field inside {', '.join(SECTIONS)}, got {text}, without which no event is whole")
    return text


FqlText = Annotated[str, AfterValidator(_query)]
PathText = Annotated[str, AfterValidator(_path)]
FieldText = Annotated[str, AfterValidator(_field)]
Fields = Annotated[tuple[FieldText, ...], Field(min_length=1)]


class FilterAction(Model):
    """Exactly one of drop, sample, keep and remove; `then: drop` is short for `then: {drop: true}`."""

    drop: bool | None = Field(None, description="true: the event does not go to the destination")
    sample: Fraction | None = Field(None, description="The part of the events that goes on, from 0 to 1")
    by: PathText | None = Field(None, description="Of a sample: events alike in this path go or stay together")
    keep: Fields | None = Field(None, description="Fields that stay, of their section")
    remove: Fields | None = Field(None, description="Fields that are taken out")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if value == "drop":
            return {"drop": True}
        if not isinstance(value, dict):
            got = value if isinstance(value, str) else shown(value)
            raise ValueError(f"expected drop, or one of sample, keep and remove with its values, got {got}")
        # Behind such a validator pydantic takes a list of the file for one of Python's, which is no tuple to it.
        return {name: tuple(of) if isinstance(of, list) else of for name, of in value.items()}

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"expected one of {', '.join(_KINDS)}, got {' and '.join(given) or 'none'}")
        if self.drop is False:
            raise ValueError("expected drop: true, got false")
        if self.by is not None and self.sample is None:
            raise ValueError(f"expected by beside sample, got it beside {given[0]}")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"const": "drop"}, handler(core)]}


class FilterConfig(Model):
    if_: FqlText | None = Field(None, alias="if", description="A condition in FQL; left out: it always holds")
    then: FilterAction = Field(description="drop, or {sample: 0.1, by: userId}, {keep: […]}, {remove: […]}")
