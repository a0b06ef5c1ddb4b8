"""Files behind URLs, with fsspec's own memory in the place of an object store: read as files here are."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from router.errors import FileError, UsageError
from router.history.formats import READERS, files_of, format_of
from router.history.opening import identity_of, opened
from router.history.remote_file import place_of
from router.history.rows import HistoryFile
from tests.cli.conftest import line
from tests.cli.lines import Line

__all__ = ["line"]

CSV = b"id,plan\n1,free\n2,gold\n"
NDJSON = gzip.compress(b'{"type":"track","event":"A","userId":"u1"}\n' * 3, mtime=0)


@pytest.fixture
def bucket() -> Iterator[str]:
    files: Any = fsspec.filesystem("memory")
    for name, content in {
        "customers.csv": CSV, "logs/2026/1.gz": NDJSON, "logs/2026/2.gz": NDJSON, "logs/_manifest/1.gz": NDJSON,
        "logs/.part.gz": NDJSON, "logs/readme.txt": b"x", "empty/readme.txt": b"x",
    }.items():  # fmt: skip
        files.pipe_file(f"memory://history/{name}", content)
    yield "memory://history"
    files.rm("memory://history", recursive=True)


def rows(file: HistoryFile) -> list[dict[str, Any]]:
    kind = format_of(file.path)
    with opened(file.path, kind) as stream:
        return [row.value for row in READERS[kind](stream, file)]


def test_a_file_is_known_by_its_bytes_wherever_it_lies(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(CSV)
    (file,) = files_of([place_of(f"{bucket}/customers.csv")])
    (here,) = files_of([place_of(f"file://{tmp_path}/x.csv")])

    assert file.name == f"{bucket}/customers.csv"
    assert identity_of(file.path) == identity_of(here.path) == identity_of(tmp_path / "x.csv")
    assert rows(file) == rows(here) == [{"id": "1", "plan": "free"}, {"id": "2", "plan": "gold"}]


@pytest.mark.parametrize("end", ["", "/"])
def test_of_a_folder_its_exports_are_read(bucket: str, end: str) -> None:
    found = list(files_of([place_of(f"{bucket}/logs{end}")]))

    assert [file.path.name for file in found] == ["1.gz", "2.gz"]
    assert [len(rows(file)) for file in found] == [3, 3]
    with pytest.raises(FileError, match=r"expected files that end in .*, got a folder without any"):
        list(files_of([place_of(f"{bucket}/empty")]))


def test_what_is_not_there_or_cannot_be_read(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match=r"memory://history/none.csv: .*expected a readable file, got none"):
        identity_of(place_of(f"{bucket}/none.csv"))
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UsageError, match=r"s3://b/x.csv: expected pip install 'event-router\[s3\]' to read it"):
        place_of("s3://b/x.csv")
    with pytest.raises(UsageError, match=r"ftpx://b/x.csv: expected a path, or a URL .* file://, s3://"):
        place_of("ftpx://b/x.csv")


def test_the_command_reads_it(bucket: str, tmp_path: Path, line: Line) -> None:
    (tmp_path / "t.yaml").write_text("name: shop\nsources: {web: {write_keys: [k]}}\n")
    (tmp_path / "map.yaml").write_text("type: {value: identify}\nuserId: id\ntraits.plan: plan\n")
    url = f"{bucket}/customers.csv"

    files = ["--map", tmp_path / "map.yaml", "--topology", tmp_path / "t.yaml"]
    ended = line("import", url, "--source", "web", "--dry-run", *files)

    assert (ended.status, ended.err) == (0, "")
    assert f"{url}: 2 events would be sent to events.raw" in ended.out
