"""A mapping file from the names and the first values of columns: something to begin with, for people to correct."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from router.events.times import milliseconds
from router.mapping.conversions import ConversionError, number

SAMPLE = 1000  # rows that a guess is made from
_SEPARATORS = re.compile(r"[\s_.\-/]+")
_FIELDS: dict[str, tuple[str, ...]] = {
    "userId": ("userid", "customerid", "externalid", "uid", "contactid", "memberid", "personid", "distinctid", "id"),
    "anonymousId": ("anonymousid", "anonid", "deviceid", "visitorid", "cookieid", "clientid"),
    "groupId": ("groupid", "accountid", "companyid", "organizationid"),
    "messageId": ("messageid", "eventid", "insertid"),
    "event": ("event", "eventname", "eventtype", "action", "activity"),
    "timestamp": (
        *("timestamp", "time", "eventtime", "occurredat", "eventtimestamp", "createdat", "date", "datetime"),
        *("updatedat", "created", "signupdate"),
    ),
}
"""Names of columns by field, without separators and in lower case, the likeliest first."""
_OBJECTS = frozenset(("properties", "traits", "context", "integrations"))
_WORDS = frozenset(("true", "false", "yes", "no"))


def guess(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Targets and expressions for rows with these columns."""
    sample = list(rows)
    folded = {_SEPARATORS.sub("", name).lower(): name for name in reversed(columns)}
    found = {target: column for target, names in _FIELDS.items() if (column := _column(target, names, folded, sample))}
    if "event" not in found:
        found.pop("groupId", None)  # then it is a trait
    mail = None
    if "userId" not in found and "anonymousId" not in found:
        mail = next((name for key, name in folded.items() if key in ("email", "emailaddress", "mail")), None)
        if mail is not None:
            found["userId"] = mail
    kind = "track" if "event" in found else "identify"
    made: dict[str, Any] = {"type": {"value": kind}}
    for target, column in found.items():
        made[target] = {"path": escaped(column), "as": "iso8601"} if target == "timestamp" else escaped(column)
    place = "properties" if kind == "track" else "traits"
    taken = set(found.values()) - (
        {found["userId"]} if "userId" in found and "mail" in found["userId"].lower() else set()
    )
    for column in columns:
        if column in _OBJECTS and any(isinstance(row.get(column), dict) for row in sample):
            made[column] = column
        elif column and column not in taken:
            made[f"{place}.{escaped(_key(column))}"] = _expression(column, sample)
    return made


def written(guessed: Mapping[str, Any], name: str) -> str:
    """The text of a mapping file."""
    head = (
        f"# Made from {name} by `router import --guess`. Left: fields of the event, right: columns of the file.\n"
        "# `router import … --map THIS --dry-run` tries it out on all rows.\n"
    )
    return head + yaml.safe_dump(dict(guessed), sort_keys=False, allow_unicode=True, default_flow_style=None)


def escaped(column: str) -> str:
    """A name as a path of one part."""
    path = column.replace("\\", "\\\\").replace(".", "\\.")
    return path if path != "$" else "\\$"


def _column(
    target: str, names: Iterable[str], folded: Mapping[str, str], sample: Sequence[Mapping[str, Any]]
) -> str | None:
    """Of times only a column with more times than other values."""
    for name in names:
        column = folded.get(name)
        if column is None:
            continue
        values = [value for row in sample if (value := row.get(column))]
        times = sum(milliseconds(value) is not None for value in values)
        if target != "timestamp" or times > len(values) / 2:
            return column
    return None


def _expression(column: str, sample: Sequence[Mapping[str, Any]]) -> Any:
    values = [value for row in sample if (value := row.get(column)) not in (None, "")]
    path = escaped(column)
    if not values or not all(isinstance(value, str) for value in values):
        return path
    if all(value.lower() in _WORDS for value in values):
        return {"path": path, "as": "boolean"}
    return {"path": path, "as": "number"} if all(map(_is_number, values)) else path


def _is_number(text: str) -> bool:
    """A phone number or a postal code with a zero in front is none."""
    digits = text.lstrip("-")
    if len(digits) > 15 or text.startswith("+") or (len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()):
        return False
    try:
        number(text)
    except ConversionError:
        return False
    return digits[:1].isdigit() and "," not in text and " " not in text


def _key(column: str) -> str:
    """The column's name as keys are written, with `_` for blanks."""
    return re.sub(r"\s+", "_", column.strip())
