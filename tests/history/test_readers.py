"""Files as people export them: rows with their lines, bad ones among them, none of them lost."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from router.destinations.parquet import encoded, values
from router.errors import FileError, UsageError
from router.history.formats import READERS, files_of, format_of
from router.history.opening import identity_of, opened
from router.history.rows import FileRow, HistoryFile
from tests.deliveries import delivery

HEADER = "id,name,at\n"


def rows_of(path: Path, kind: str = "csv") -> list[FileRow]:
    with opened(path, kind) as stream:
        return list(READERS[kind](stream, HistoryFile(path, path.name)))


def csv_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "rows.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (HEADER + "1,Ann,2020\n", [(2, {"id": "1", "name": "Ann", "at": "2020"}, "")]),
        (HEADER + '1,"Ann\nof ""Oz"", Ltd",x\n2,Bo,y\n', [
            (2, {"id": "1", "name": 'Ann\nof "Oz", Ltd', "at": "x"}, ""), (4, {"id": "2", "name": "Bo", "at": "y"}, "")
        ]),
        ("\ufeff" + HEADER + "1,,\n", [(2, {"id": "1"}, "")]),
        ((HEADER + "1,Zoë,x\n").encode("utf-16"), [(2, {"id": "1", "name": "Zoë", "at": "x"}, "")]),
        ((HEADER + "1,Zoë,x\n").encode("utf-16-be"), [(2, {"id": "1", "name": "Zoë", "at": "x"}, "")]),
        ("id;name;at\r\n1;a,b;x\r\n", [(2, {"id": "1", "name": "a,b", "at": "x"}, "")]),
        ("id\tname\tat\n\n1\ta\tx\n", [(3, {"id": "1", "name": "a", "at": "x"}, "")]),
        ("\n\n" + HEADER + "1,Ann\n2,B,y\n", [
            (4, {}, "expected 3 cells, got 2"), (5, {"id": "2", "name": "B", "at": "y"}, "")
        ]),
        (HEADER + "1,Ann,x,y\n", [(2, {}, "expected 3 cells, got 4")]),
        (HEADER + '1,"Ann,x\n2,Bo,y\n', [(2, {}, "expected CSV, got a quote that is not closed")]),
        (HEADER + '1,"A"nn,x\n2,Bo,y\n', [
            (2, {}, "expected CSV, got a quote inside a cell that is not doubled"),
            (3, {"id": "2", "name": "Bo", "at": "y"}, ""),
        ]),
        (HEADER.encode() + b"1,\xff\xfe,x\n", [(2, None, "expected UTF-8, got other bytes")]),
        (HEADER + HEADER, [(2, None, "expected values, got the header once more")]),
    ],
    ids=lambda value: "" if isinstance(value, bytes | list) else None,
)  # fmt: skip
def test_csv(tmp_path: Path, content: str | bytes, expected: list[tuple[int, dict[str, str] | None, str]]) -> None:
    found = rows_of(csv_file(tmp_path, content))

    assert [(row.line, row.problem) for row in found] == [(line, problem) for line, _, problem in expected]
    assert [row.value for row, (_, value, _) in zip(found, expected, strict=True) if value is not None] == [
        value for _, value, _ in expected if value is not None
    ]


def test_200_columns(tmp_path: Path) -> None:
    names = [f"column {number}" for number in range(200)]
    path = csv_file(tmp_path, ",".join(names) + "\n" + ",".join(map(str, range(200))) + "\n")

    (row,) = rows_of(path)

    assert row.value == {name: str(number) for number, name in enumerate(names)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got an empty file"),
        (b"\n\n", "got an empty file"),
        (b"id,name,id\n1,2,3\n", "expected each column once, got id twice"),
        (b",,\n1,2,3\n", "expected a header of names"),
        (b"PK\x03\x04", "a zip archive: unpack it first"),
        (gzip.compress(b"id\n1\n" * 50, mtime=0)[:-12], "expected a whole gzip file"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(FileError, match=message):
        rows_of(csv_file(tmp_path, content))


def test_ndjson_of_several_gzip_members_with_batches_and_bad_lines(tmp_path: Path) -> None:
    path = tmp_path / "calls.gz"
    path.write_bytes(
        gzip.compress(b'{"type":"track"}\n\n')
        + gzip.compress(b'{"batch":[{"a":1},{"a":2}],"context":{"ip":"x"}}\n{"a":\n[]\n7')
    )

    found = rows_of(path, "ndjson")

    assert [(row.line, row.value) for row in found if not row.problem] == [
        (1, {"type": "track"}), (3, {"a": 1, "context": {"ip": "x"}}), (3, {"a": 2, "context": {"ip": "x"}})
    ]  # fmt: skip
    assert [row.line for row in found if row.problem] == [4, 5, 6]
    with pytest.raises(FileError, match="got an empty file"):
        rows_of(csv_file(tmp_path, "\n \n"), "ndjson")
    with pytest.raises(FileError, match=r"utf-16-le: convert it first"):
        rows_of(csv_file(tmp_path, '{"a":1}'.encode("utf-16")), "ndjson")


def test_an_archive_in_parquet_is_the_events_that_were_written(tmp_path: Path) -> None:
    """Byte for byte; whatever else is called Parquet is named for what it is."""
    events = [delivery(number, note="Зоя \u2028") for number in range(1, 4)]
    events[0].value = b'{ "type" : "track","event":"A", "z": 1e2,\n "a": [ ] }'
    path = tmp_path / "1.parquet"
    path.write_bytes(encoded(events))

    with path.open("rb") as stream:
        assert list(values(stream)) == [event.value for event in events]
    assert rows_of(path, "parquet") == [
        FileRow(number, orjson.loads(event.value)) for number, event in enumerate(events, 1)
    ]
    with pytest.raises(FileError, match="expected NDJSON, gzip or not, got a Parquet file"):
        rows_of(path, "ndjson")
    with pytest.raises(FileError, match="expected Parquet, got another file"):
        rows_of(csv_file(tmp_path, HEADER), "parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileError, match="expected a whole Parquet file, got one that breaks"):
        rows_of(path, "parquet")
    pq.write_table(pa.table({"id": [1], "at": [2]}), path)
    with pytest.raises(FileError, match="expected a column json, as archives have it, got id, at"):
        rows_of(path, "parquet")
    path.write_bytes(encoded([]))
    with pytest.raises(FileError, match="expected events, got an empty file"):
        rows_of(path, "parquet")


def test_a_folder_is_its_exported_files_in_order(tmp_path: Path) -> None:
    for name in (
        "source=b/date=1/2.ndjson.gz",
        "source=b/date=1/1.ndjson.gz",
        "source=b/date=1/3.parquet",
        "_manifest/.hidden.json",
        "_old/1.json",
        "dummy-object.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert [file.path.name for file in files_of([tmp_path])] == ["1.ndjson.gz", "2.ndjson.gz", "3.parquet"]
    with pytest.raises(FileError, match="got a folder without any"):
        list(files_of([tmp_path / "_manifest"]))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "csv"),
        ("A.CSV.gz", "csv"),
        ("a.tsv", "csv"),
        ("a.jsonl", "ndjson"),
        ("x.ndjson.gz", "ndjson"),
        ("1.gz", "ndjson"),
        ("1.parquet", "parquet"),
    ],
)
def test_the_name_of_a_file_says_its_format(name: str, kind: str) -> None:
    assert format_of(Path(name)) == kind
    assert format_of(Path(name), "csv") == "csv"


def test_a_name_that_says_no_format() -> None:
    with pytest.raises(UsageError, match="expected --format csv, ndjson or parquet"):
        format_of(Path("rows.dat"))
    with pytest.raises(UsageError, match="--format: expected one of csv, ndjson, parquet, got xml"):
        format_of(Path("rows.csv"), "xml")


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = csv_file(tmp_path, HEADER)
    before = identity_of(path)
    moved = path.rename(tmp_path / "moved.csv")

    assert identity_of(moved) == before
    moved.write_text(HEADER + "1,2,3\n")
    assert identity_of(moved) != before
