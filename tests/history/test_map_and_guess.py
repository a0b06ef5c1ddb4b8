"""The mapping file, compared with the columns, and the one that is guessed from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from router.errors import FileError
from router.history.guess import guess, written
from router.history.map_file import check_columns, columns_in, load_map
from router.mapping.mapping import Mapping


def map_of(folder: Path, text: str) -> Path:
    path = folder / "map.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"map\.yaml:.*expected targets such as"),
        ("- a\n", "expected targets such as .*, got a list"),
        ("a\n", "expected targets such as .*, got a text or a number"),
        ("userId: id\n", "expected `event`, or `type: {value: identify}`, got neither"),
        ("event: a\nuserId: {pth: id}\n", r":2:9: userId: expected one value, .* an object of pth \(did you mean path"),
        ("event: a\nuserId: [id, other]\n", "userId: expected one value, such as {path: id}, got a list"),
        ("event: a\ntimestamp: {each: items, map: at}\n", "timestamp: expected one value, .*, got a list"),
        ("email: mail\n", r":1:1: email: expected a field of an event, got email \(did you mean traits\.email\?\)"),
        ("userid: id\n", "did you mean userId"),
        ("timestamp: {path: at, as: iso}\n", r"timestamp.*expected one of .*, got iso"),
        ("userId: 7\n", "userId: expected a path"),
    ],
)  # fmt: skip
def test_a_faulty_mapping_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        load_map(map_of(tmp_path, text))


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    document, _ = load_map(
        map_of(tmp_path, 'userId: custmer\nevent: {value: E}\ntraits.a: {first: [b\\.c, {template: "{d} {{x}}"}]}\n')
    )

    with pytest.raises(FileError) as failed:
        check_columns(document, ["customer", "b.c"], "rows.csv")

    first, second = failed.value.problems
    assert (first.line, first.path, first.hint) == (1, "userId", "customer")
    assert first.message == "expected a column of rows.csv (customer, b.c), got custmer"
    assert second.message.endswith("got d")
    check_columns(document, ["custmer", "b.c", "d"], "rows.csv")


def test_the_columns_that_an_expression_reads() -> None:
    given: Any = {"value": 1, "a": "x.y", "b": {"each": "items", "map": {"n": "inside"}}}
    assert list(columns_in({"a": "x.y", "b": ["z", {"value": "none"}]})) == ["x", "z"]
    assert list(columns_in(given)) == []  # a constant, whatever stands beside it


ROWS = [
    {
        "Customer ID": "7",
        "Plan.Tier": "gold",
        "Orders": "12",
        "Active": "yes",
        "Zip": "01234",
        "created_at": "2020-01-02",
    },
    {"Customer ID": "8", "Plan.Tier": "free", "Orders": "3.5", "Active": "no", "Zip": "99", "created_at": "1577923200"},
    {"Customer ID": "9", "Plan.Tier": "free", "Orders": "3", "Active": "no", "Zip": "1", "created_at": "soon"},
]


def test_people_are_guessed_to_be_identified() -> None:
    made = guess(list(ROWS[0]), ROWS)

    assert made == {
        "type": {"value": "identify"},
        "userId": "Customer ID",
        "timestamp": {"path": "created_at", "as": "iso8601"},
        "traits.Plan\\.Tier": "Plan\\.Tier",
        "traits.Orders": {"path": "Orders", "as": "number"},
        "traits.Active": {"path": "Active", "as": "boolean"},
        "traits.Zip": "Zip",
    }
    assert yaml.safe_load(written(made, "rows.csv")) == made
    event = Mapping(made).apply(ROWS[0]).values
    assert event["traits"] == {"Plan.Tier": "gold", "Orders": 12, "Active": True, "Zip": "01234"}


def test_a_column_of_events_makes_track_calls_and_an_address_is_an_id_where_there_is_no_other() -> None:
    made = guess(["event", "email", "properties"], [{"event": "Order", "email": "a@x.example", "properties": {"a": 1}}])

    assert made == {
        "type": {"value": "track"}, "event": "event", "userId": "email", "properties.email": "email",
        "properties": "properties",
    }  # fmt: skip
