"""Typed scalars of configuration: Secret, Duration, Bytes, Rate, Percent, Name … A leaf: imports none of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fnmatch import translate
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

_UNITS_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS_BYTES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*\Z")
_PERCENT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*\Z")
_RATE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*/\s*(s|m|h)\s*\Z")


class Model(BaseModel):
    """Base of every configuration model: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


def _quantity(value: Any, units: dict[str, Any], example: str) -> tuple[float, str]:
    match = _QUANTITY.match(value) if isinstance(value, str) else None
    if not match or match[2] not in units:
        raise ValueError(f"expected a value such as {example}, got {json.dumps(value, default=str)}")
    return float(match[1]), match[2]


def parse_duration(value: Any) -> float:
    """Seconds from `200ms`, `10s`, `5m`, `4h`, `1d`."""
    number, unit = _quantity(value, _UNITS_SECONDS, "200ms, 10s, 5m or 4h")
    return number * float(_UNITS_SECONDS[unit])


def parse_bytes(value: Any) -> int:
    """Bytes from a number of bytes or `512KiB`, `1MB`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    number, unit = _quantity(value, _UNITS_BYTES, "512KiB or 1MB")
    return int(number * _UNITS_BYTES[unit])


def parse_rate(value: Any) -> float:
    """Events per second from `500/s`, `1000/m`."""
    match = _RATE.match(value) if isinstance(value, str) else None
    if not match or float(match[1]) <= 0:
        raise ValueError(f"expected a value such as 500/s or 1000/m, got {json.dumps(value, default=str)}")
    return float(match[1]) / _UNITS_SECONDS[match[2]]


def parse_percent(value: Any, below: float = 100.0) -> float:
    """A ratio from `99.5%`. Raises ValueError for 0 %, and for `below` or more."""
    match = _PERCENT.match(value) if isinstance(value, str) else None
    if not match or not 0 < float(match[1]) < below:
        given = json.dumps(value, default=str)
        raise ValueError(f"expected a percentage above 0% and below {below:g}% such as 20% or 99.5%, got {given}")
    return float(match[1]) / 100


def _with_unit(parse: Callable[[Any], float]) -> BeforeValidator:
    """Code may give seconds or events per second as a float; a file must name the unit."""

    def check(value: Any, info: ValidationInfo) -> float:
        return value if isinstance(value, float) and info.mode == "python" else parse(value)

    return BeforeValidator(check)


def _schema(pattern: str, description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "description": description})


Duration = Annotated[float, _with_unit(parse_duration), _schema(r"^[0-9.]+ *(ms|s|m|h|d)$", "such as 200ms, 10s, 4h")]
Bytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    WithJsonSchema({"type": ["string", "integer"], "description": "bytes, or such as 512KiB"}),
]
Rate = Annotated[float, _with_unit(parse_rate), _schema(r"^[0-9.]+ */ *(s|m|h)$", "such as 500/s")]
Percent = Annotated[float, _with_unit(parse_percent), _schema(r"^[0-9.]+ *%$", "such as 99.5%")]
Deviation = Annotated[
    float, _with_unit(lambda value: parse_percent(value, 1_000.0)), _schema(r"^[0-9.]+ *%$", "such as 50%, or 150%")
]
Secret = SecretStr
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,47}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]


def glob_pattern(glob: str) -> str:
    """The regular expression of a glob for names of events and fields. It stands for itself too: `[Old] Sign Up`."""
    return rf"{translate(glob)}|{re.escape(glob)}\Z"


def glob_matches(glob: str, name: str) -> bool:
    """Whether a glob of names of events or fields stands for that name."""
    return re.match(glob_pattern(glob), name) is not None
