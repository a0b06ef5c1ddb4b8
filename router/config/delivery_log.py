"""`delivery.log` of a destination: which events the delivery log names, beside the counts that it always has."""

from __future__ import annotations

from typing import Any, TypeGuard
from zlib import crc32

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from router.config.explain import shown
from router.config.types import Fraction, Model

_WORDS = {"all": 1.0, "none": 0.0}
_RANGE = 1 << 32


class LogConfig(Model):
    """`log: all` is short for `{sample: 1}`, `log: none` for `{sample: 0}`."""

    sample: Fraction = Field(description="The part of the events that is named, from 0 to 1, chosen by messageId")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, str) and value in _WORDS:
            return {"sample": _WORDS[value]}
        if not isinstance(value, dict):
            got = value if isinstance(value, str) else shown(value)
            raise ValueError(f"expected all, none, or a part such as {{sample: 0.1}}, got {got}")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": list(_WORDS)}, handler(core)]}

    def names(self, message_id: object) -> TypeGuard[str]:
        """Whether the log names this event. The same answer for ever: what is in a sample is in every larger one."""
        if type(message_id) is not str or not message_id:
            return False
        part = self.sample
        return part == 1.0 or crc32(message_id.encode("utf-8", "surrogatepass")) < part * _RANGE


LOG_ALL = LogConfig(sample=1.0)
