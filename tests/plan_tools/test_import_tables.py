"""How the text of a sheet is cut into cells: any delimiter, and none of those inside quotes."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.errors import FileError
from router.plan_tools.importers.source import Rows, read_sources


def rows(folder: Path, text: str) -> Rows:
    file = folder / "sheet.csv"
    file.write_bytes(text.encode())
    (source,) = read_sources([file])
    return source.rows or []


@pytest.mark.parametrize(
    "text",
    [
        'Event;Property;Notes\nPaid;total;"a, b, c, d"\nPaid;tax;"e, f, g, h"\nPaid;id;"i, j, k, l"\n',
        'Event\tProperty\tNotes\nPaid\ttotal\t"a; b; c"\nPaid\ttax\t"d; e; f"\n',
        'Event|Property|Notes\nPaid|total|"a, b, c"\nPaid|tax|"d, e, f"\n',
        'Event,Property,Notes\nPaid,total,"a;b;c;d"\nPaid,tax,"e;f;g;h"\nPaid,id,"i|j|k"\n',
        'Event;Property;Notes\nPaid;total;"a ""quoted"", b"\nPaid;tax;"first,\nsecond, third"\n',
        'Event,Property,Values\nPaid,total,"""1""|""2"""\nPaid,tax,"""card""|""cash"""\n',
        'Event;Property;Values\nPaid;total;"EUR", "USD"\nPaid;tax;"card", "cash"\n',
        'sep=;\r\nEvent;Property;Notes\r\nPaid;total;"a, b"\r\nPaid;tax;c\r\n',
        "Our, plan, of, the, shop\n\nEvent;Property;Notes\nPaid;total;a, b\nPaid;tax;c, d\n",
    ],
)
def test_the_delimiter_is_the_one_outside_quotes(tmp_path: Path, text: str) -> None:
    found = [row for row in rows(tmp_path, text) if len(row) == 3]

    assert [row[0] for row in found] == ["Event", *["Paid"] * (len(found) - 1)]
    assert [row[1] for row in found][:3] == ["Property", "total", "tax"]


def test_a_space_before_a_quote(tmp_path: Path) -> None:
    assert rows(tmp_path, 'Event, Property, Values\nPaid, currency, "EUR, USD"\n')[1] == [
        "Paid",
        "currency",
        "EUR, USD",
    ]


def test_delimiters_in_nearly_every_quoted_cell_of_a_long_sheet(tmp_path: Path) -> None:
    lines = [f'Paid;property_{number};"one, two, three, four: {number}";string' for number in range(3000)]

    found = rows(tmp_path, "\n".join(["Event;Property;Description;Type", *lines]))

    assert {len(row) for row in found} == {4}
    assert len(found) == 3001


def test_a_quote_that_is_never_closed_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="open from line 3 on"):
        rows(tmp_path, 'Event,Property\nPaid,total\nPaid,"tax\nPaid,id\n')


def test_a_cell_too_long_for_one_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="in line 2: field larger"):
        rows(tmp_path, f"Event,Property\nPaid,{'x' * 200_000}\n")
