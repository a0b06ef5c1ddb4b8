"""`router import` on a broker: a guess, a dry run, each row once, files that changed, several at once."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest

from router.embedded.broker import EmbeddedBroker
from tests.cli.conftest import line
from tests.cli.lines import Line
from tests.history.stage import WEBHOOK, HistoryStage

__all__ = ["line"]


@pytest.fixture
def one(embedded: EmbeddedBroker, tmp_path: Path, unique: str) -> HistoryStage:
    return HistoryStage(embedded, tmp_path, unique, {"crm": WEBHOOK, "ads": WEBHOOK})


def customers(folder: Path, count: int) -> Path:
    path = folder / "customers.csv"
    rows = (f"{n},user{n}@shop.example,2020-01-{n % 28 + 1:02}\n" for n in range(count))
    path.write_text("id,email,created_at\n" + "".join(rows))
    return path


def test_a_file_from_the_guess_to_kafka(one: HistoryStage, line: Line, tmp_path: Path) -> None:
    file, mapping = customers(tmp_path, 1200), tmp_path / "customers.map.yaml"

    guessed = line("import", file, "--source", "web", "--guess")
    assert (guessed.status, mapping.exists(), guessed.out.count("\nline ")) == (0, True, 10)
    assert line("import", file, "--source", "web", "--guess").status == 2  # the file that was corrected by hand stays
    dry = line("import", file, "--source", "web", "--map", mapping, "--dry-run", "--topology", one.file)
    assert (dry.status, "1200 events would be sent" in dry.out, "  1200 identify" in dry.out) == (0, True, True)
    assert one.messages() == []

    ended = one.run(line, "import", file, "--source", "web", "--map", mapping, "--only", "crm")
    assert (ended.status, ended.out) == (0, f"{file}: 1200 events sent to {one.topics.raw}\n")
    again = one.run(line, "import", file, "--source", "web", "--map", mapping, "--only", "crm", "--json")
    assert (again.status, again.answer["files"][0]["sent"], again.answer["files"][0]["status"]) == (0, 0, "done")
    found = one.messages()
    bodies = [orjson.loads(message.value() or b"") for message in found]
    assert len({body["messageId"] for body in bodies}) == len(bodies) == 1200
    (body,) = [body for body in bodies if body["userId"] == "7"]
    assert body["timestamp"] == "2020-01-08T00:00:00.000Z"
    assert body["traits"] == {"email": "user7@shop.example"}
    assert body["integrations"] == {"All": False, "crm": True}
    assert {dict(message.headers() or ())["write-key"] for message in found} == {b"key-of-web"}


def test_a_file_that_changed_is_not_taken_for_the_one_that_was_begun(
    one: HistoryStage, line: Line, tmp_path: Path
) -> None:
    file, mapping = customers(tmp_path, 5), tmp_path / "map.yaml"
    mapping.write_text("type: {value: identify}\nuserId: id\n")
    command = "import", file, "--source", "past", "--map", mapping
    assert one.run(line, *command).status == 0
    customers(tmp_path, 7)  # the next export under the same name
    ended = one.run(line, *command)
    assert (ended.status, "7 events sent" in ended.out) == (0, True)
    mapping.write_text("type: {value: identify}\nuserId: id\ntraits.email: email\n")
    assert "imported before" in one.run(line, *command).out

    assert one.run(line, *command, "--again").status == 0
    found = one.bodies("past")
    assert (len(found), len({body["messageId"] for body in found})) == (19, 12)
    assert all("write-key" not in dict(message.headers() or ()) for message in one.messages("past"))


def test_bad_rows_are_reported_by_line_and_the_others_sent(one: HistoryStage, line: Line, tmp_path: Path) -> None:
    folder, report = tmp_path / "segment-logs", tmp_path / "bad.ndjson"
    (folder / "source/1577836800000").mkdir(parents=True)
    (folder / "dummy-object.txt").touch()
    good = {"type": "track", "event": "Past", "userId": "u", "messageId": "m1", "timestamp": "2020-01-01T00:00:00.000Z"}
    lines = [good, {"type": "track", "userId": "u"}, good | {"timestamp": "soon"}, good]
    packed = gzip.compress(b"\n".join(map(orjson.dumps, lines)) + b"\nnone\n")
    (folder / "source/1577836800000/1.gz").write_bytes(packed)

    ended = one.run(line, "import", folder, "--source", "web", "--report", report)

    assert (ended.status, "2 events sent" in ended.out, "3 bad rows" in ended.out) == (1, True, True)
    rows = [orjson.loads(row) for row in report.read_bytes().splitlines()]
    assert [(row["line"], row["reason"].split(" ")[0]) for row in rows] == [
        (2, "a"),
        (3, "timestamp:"),
        (5, "expected"),
    ]
    assert {body["messageId"][:7] for body in one.bodies()} == {"import-"}
    assert len({body["messageId"] for body in one.bodies()}) == 1  # the copy in the export is one event


WRONG = [
    (["--source", "wob"], 1, "expected a source, got wob (did you mean web?)"),
    (["--source", "web"], 2, "expected --map FILE for CSV, got none: --guess makes one from the header"),
    (["--source", "web", "--only", "cmr"], 1, "got cmr (did you mean crm?)"),
    (["--source", "web", "--keep", "userId"], 2, "--keep: expected one of sentAt, messageId"),
    (["--source", "web", "--guess", "--dry-run"], 2, "expected --guess without --dry-run"),
]


def test_command_lines_that_are_wrong(one: HistoryStage, line: Line, tmp_path: Path) -> None:
    file = customers(tmp_path, 1)
    for arguments, status, message in WRONG:
        ended = one.run(line, "import", file, *arguments)
        assert (ended.status, message in ended.err) == (status, True), ended
