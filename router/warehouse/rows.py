"""An event as rows of tables, in Segment's schema. Pure.

track: `tracks` (no properties) and the event's own table. page, screen, identify, group, alias: `pages`, `screens`,
`identifies`, `groups`, `aliases`. identify also updates the user's row in `users`, group the group's in `accounts`, and
every event says in `user_identities` to which profile its identifiers belong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from router.events.times import milliseconds
from router.warehouse.names import CALL_TABLES, DISCARDS, NAMES, column_name, event_table, made_up
from router.warehouse.values import ColumnType, Values, flatten

Version = tuple[int, int, str]  # event time and receive time in milliseconds, message id: the greatest is the newest

# Columns whose type no value decides.
BUILT_IN: dict[str, ColumnType] = {
    "id": "text", "anonymous_id": "text", "user_id": "text", "received_at": "datetime", "sent_at": "datetime",
    "original_timestamp": "datetime", "timestamp": "datetime", "uuid_ts": "datetime", "event": "text",
    "event_text": "text", "channel": "text", "group_id": "text", "previous_id": "text",
}  # fmt: skip
VERSIONS = "_versions"
OWN: dict[str, dict[str, ColumnType]] = {
    "pages": {"name": "text"}, "screens": {"name": "text"},
    "users": {
        "id": "text", "received_at": "datetime", "timestamp": "datetime", "uuid_ts": "datetime", VERSIONS: "text",
    },
    "user_identities": {
        "id": "text", "canonical_segment_id": "text", "type": "text", "value": "text", "seq": "int",
        "timestamp": "datetime", "uuid_ts": "datetime", VERSIONS: "text",
    },
    DISCARDS: {
        "id": "text", "table_name": "text", "row_id": "text", "column_name": "text", "column_value": "text",
        "reason": "text", "received_at": "datetime", "uuid_ts": "datetime",
    },
    NAMES: {"id": "text", "kind": "text", "name": "text", "original": "text", "uuid_ts": "datetime"},
}  # fmt: skip
OWN["accounts"] = OWN["users"]
_CALL_ONLY = {"event": "tracks", "event_text": "tracks", "group_id": "groups", "previous_id": "aliases"}


@dataclass(slots=True)
class EventRows:
    """`inserted`: rows by their table. `updated`: columns of objects, which have an id too. `clashes`: values whose
    column another one of the event has. `originals`: names that cannot be guessed from what became of them."""

    inserted: list[tuple[str, Values]] = field(default_factory=list)
    updated: list[tuple[str, Values]] = field(default_factory=list)
    clashes: list[tuple[str, str, Any]] = field(default_factory=list)
    originals: list[tuple[str, str, str]] = field(default_factory=list)
    version: Version = (0, 0, "")


def event_rows(body: Mapping[str, Any], event_id: str, profile: str, depth: int = 10) -> EventRows:
    """`event_id` names an event that has no messageId; `profile` is the router's profile id."""
    kind = str(body.get("type") or "")
    made = EventRows()
    base = _base(body, made, CALL_TABLES.get(kind, ""), depth)
    base.setdefault("id", event_id)
    made.version = _version(body, base["id"])
    if kind == "track":
        _track(body, base, made, depth)
    elif kind in CALL_TABLES:
        _call(kind, body, base, made, depth)
    made.updated.extend(_identities(base, profile, made.version))
    return made


def _base(body: Mapping[str, Any], made: EventRows, table: str, depth: int) -> Values:
    """What the rows of an event have in common."""
    row: Values = {}
    for column, key in _COMMON:
        value = body.get(key)
        if value is not None and value != "":
            row[column] = value if type(value) is str and "\0" not in value else _clean(value)
    context = body.get("context")
    if type(context) is dict:
        _spread(context, row, "context_", made, table, depth)
    return row


_COMMON = (
    ("id", "messageId"), ("anonymous_id", "anonymousId"), ("user_id", "userId"), ("received_at", "receivedAt"),
    ("sent_at", "sentAt"), ("original_timestamp", "originalTimestamp"), ("timestamp", "timestamp"),
    ("channel", "channel"),
)  # fmt: skip


def _clean(value: Any) -> str:
    return str(value).replace("\0", "\ufffd")


def _version(body: Mapping[str, Any], message_id: str) -> Version:
    received = milliseconds(body.get("receivedAt")) or 0
    at = milliseconds(body.get("timestamp"))
    return (received if at is None else at, received, message_id)


def _track(body: Mapping[str, Any], base: Values, made: EventRows, depth: int) -> None:
    name = body.get("event")
    if not isinstance(name, str) or not name:
        made.inserted.append(("tracks", base))
        return
    table = event_table(name)
    row = {**base, "event": table, "event_text": _clean(name)}
    made.inserted.append(("tracks", row))
    made.originals.append(("table", table, _clean(name)))
    made.inserted.append((table, _with_content(body.get("properties"), row, made, table, depth)))


def _call(kind: str, body: Mapping[str, Any], base: Values, made: EventRows, depth: int) -> None:
    table = CALL_TABLES[kind]
    row = dict(base)
    content = body.get("properties") if kind in ("page", "screen") else body.get("traits")
    for column, key in _FIRST.get(kind, ()):
        value = body.get(key)
        if value is not None and value != "":
            row[column] = _clean(value)
    if kind in ("page", "screen") and "name" not in row and isinstance(content, dict) and content.get("name"):
        row["name"] = _clean(content["name"])
    whole = _with_content(content, row, made, table, depth)
    made.inserted.append((table, whole))
    for owner, objects in (("user_id", "users"), ("group_id", "accounts")):
        if objects == _OBJECT.get(kind) and owner in row:
            made.updated.append((objects, _object(whole, row[owner])))


_FIRST = {
    "page": (("name", "name"), ("category", "category")), "screen": (("name", "name"), ("category", "category")),
    "group": (("group_id", "groupId"),), "alias": (("previous_id", "previousId"),),
}  # fmt: skip
_OBJECT = {"identify": "users", "group": "accounts"}
_NOT_OF_OBJECTS = frozenset(("anonymous_id", "user_id", "group_id", "sent_at", "original_timestamp", "channel"))


def _object(row: Values, object_id: str) -> Values:
    """The row of an object: traits and context, without what belongs to the one call."""
    kept = {column: value for column, value in row.items() if column not in _NOT_OF_OBJECTS}
    return {**kept, "id": object_id}


def _with_content(content: Any, row: Values, made: EventRows, table: str, depth: int) -> Values:
    whole = dict(row)
    if isinstance(content, dict):
        if "name" in content and table in ("pages", "screens"):
            content = {key: value for key, value in content.items() if key != "name"}  # it is the page's own name
        _spread(content, whole, "", made, table, depth)
    return whole


def _spread(content: Mapping[str, Any], row: Values, prefix: str, made: EventRows, table: str, depth: int) -> None:
    """Each value into its column. A built-in column keeps its value; of two values for one column the first stays."""
    of_context, taken = bool(prefix), set()
    for path, value in flatten(content, prefix, depth):
        column, original = _column(table, path, of_context)
        if column in taken:
            made.clashes.append((table, column, value))
            continue
        taken.add(column)
        row[column] = value
        if original:
            made.originals.append(("column", column, original))


@lru_cache(1 << 16)
def _column(table: str, path: str, of_context: bool) -> tuple[str, str]:
    """The column of a value, and its path where that cannot be guessed from the column's name."""
    column = column_name(path)
    original = _clean(path) if made_up(column, path) else ""
    return (f"_{column}" if not of_context and is_built_in(table, column) else column), original


def is_built_in(table: str, column: str) -> bool:
    """Whether a property or trait cannot have that column of that table, and gets a `_` in front."""
    if column.startswith("context_") or column in OWN.get(table, ()):
        return True
    only = _CALL_ONLY.get(column)
    if only is not None:
        return only == table or (only == "tracks" and table not in CALL_TABLES.values())
    return column in BUILT_IN


def _identities(base: Values, profile: str, version: Version) -> Iterator[tuple[str, Values]]:
    """To which profile the event's identifiers belong."""
    if not profile:
        return
    for kind in ("user_id", "anonymous_id"):
        value = base.get(kind)
        if value is not None:
            key = f"{kind}:{value}"
            row: Values = {"canonical_segment_id": profile, "type": kind, "value": value, "seq": version[0]}
            if "timestamp" in base or "received_at" in base:
                row["timestamp"] = base.get("timestamp", base.get("received_at"))
            yield "user_identities", {"id": key, **row}
