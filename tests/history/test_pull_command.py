"""`router pull` from DuckDB to a broker: rows in and out of a table, a dry run, queries that lack a column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from router.embedded.broker import EmbeddedBroker
from tests.cli.conftest import line
from tests.cli.lines import Line
from tests.history.stage import WEBHOOK, HistoryStage

__all__ = ["line"]

MAP = {"type": {"value": "identify"}, "userId": "id", "traits.plan": "plan"}


def change(folder: Path, *statements: str) -> None:
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        for statement in statements:
            connection.execute(statement)


def source(query: str = "SELECT id, plan FROM customers", **more: Any) -> dict[str, Any]:
    settings = {"url": "duckdb:///shop.duckdb", "query": query} | more
    return {"type": "sql", "settings": settings} | ({} if "objects" in more else {"map": MAP})


@pytest.fixture
def one(embedded: EmbeddedBroker, tmp_path: Path, unique: str) -> HistoryStage:
    change(tmp_path, "CREATE TABLE customers AS SELECT range AS id, 'free' AS plan FROM range(1200)")
    change(tmp_path, "CREATE TABLE visits AS SELECT range AS id, 'free' AS plan, range // 3 AS part FROM range(1200)")
    (tmp_path / "customers.sql").write_text("SELECT id, plan FROM customers ORDER BY id;\n")
    deleted = {"type": {"value": "track"}, "event": {"value": "Customer Deleted"}, "userId": "id"}
    sources = {
        "crm": source("./customers.sql", deleted=deleted),
        "tickets": source("SELECT id, plan AS status FROM customers WHERE id < 3", objects="tickets"),
        "keyless": source("SELECT id AS number, plan FROM customers"),
        "typo": source("SELECT id, plan AS pln FROM customers"),
        "twice": source("SELECT id, id, plan FROM customers"),
        "faulty": source("SELECT id FROM custmers"),
        "absent": source(url="duckdb:///none.duckdb"),
        "newer": source("SELECT id, plan, part FROM visits", cursor="part"),
        "uncursed": source("SELECT id, plan, part FROM visits", cursor="prt"),
        "other": source("SELECT id, plan, [part] AS part FROM visits", cursor="part"),
        "web": {"write_keys": ["key-of-web"]},
    }
    return HistoryStage(embedded, tmp_path, unique, {"crm": WEBHOOK}, sources=sources)


def test_rows_from_the_first_to_those_that_are_gone(one: HistoryStage, line: Line, tmp_path: Path) -> None:
    dry = one.run(line, "pull", "crm", "--dry-run")
    assert (dry.status, "1200 new" in dry.out, dry.out.count('"userId"')) == (0, True, 10)
    assert one.messages() == []

    first = one.run(line, "pull", "crm", "--json")
    assert (first.status, first.answer["new"], first.answer["complete"]) == (0, 1200, True)
    assert one.run(line, "pull", "crm", "--json").answer["unchanged"] == 1200
    change(tmp_path, "UPDATE customers SET plan = 'gold' WHERE id = 7", "DELETE FROM customers WHERE id = 8")
    ended = one.run(line, "pull", "crm")
    assert ended.out == f"crm: 1199 rows: 0 new, 1 changed, 1 gone: sent to {one.topics.raw}; 1198 unchanged\n"
    change(tmp_path, "INSERT INTO customers VALUES (NULL, 'x')")
    bad = one.run(line, "pull", "crm")
    assert (bad.status, "expected a value in each column of the key" in bad.err) == (1, True)

    bodies = one.bodies()
    assert len({body["messageId"] for body in bodies}) == len(bodies) == 1202
    assert [body["traits"] for body in bodies if body["userId"] == "7"] == [{"plan": "free"}, {"plan": "gold"}]
    assert [body.get("event") for body in bodies if body["userId"] == "8"] == [None, "Customer Deleted"]
    assert {dict(message.headers() or ())["write-key"] for message in one.messages()} == {b"hook:crm"}


@pytest.mark.parametrize("source", ["crm", "newer"])
@pytest.mark.parametrize("again", [False, True])
def test_a_dry_run_shows_the_question_and_the_events_of_the_pull_that_follows(
    one: HistoryStage, line: Line, source: str, again: bool
) -> None:
    if again:
        assert one.run(line, "pull", source).status == 0
    options = ["--again"] if again else []
    before = {body["messageId"] for body in one.bodies()}

    dry = one.run(line, "pull", source, "--dry-run", *options)
    told = one.run(line, "pull", source, "--dry-run", "--json", *options).answer["query"]
    shown = [json.loads(row) for row in dry.out.splitlines() if row.startswith("{")]
    assert one.run(line, "pull", source, *options).status == 0

    assert dry.out.startswith(f"{told}\n\n")
    assert "WHERE" not in told  # from the first row on, as the pull does
    assert len(shown) == 10
    sent = {body["messageId"] for body in one.bodies()} - before
    assert len(sent) == 1200
    assert {body["messageId"] for body in shown} <= sent


def test_objects(one: HistoryStage, line: Line) -> None:
    assert one.run(line, "pull", "tickets").status == 0

    assert sorted((body["event"], body["properties"]["id"]) for body in one.bodies()) == [
        ("tickets", 0), ("tickets", 1), ("tickets", 2)
    ]  # fmt: skip


def test_with_a_cursor_only_newer_rows_are_asked_for(one: HistoryStage, line: Line, tmp_path: Path) -> None:
    assert one.run(line, "pull", "newer", "--json").answer["changed"] == 1200
    change(tmp_path, "INSERT INTO visits VALUES (2000, 'gold', 399), (2001, 'gold', 400)")

    dry = one.run(line, "pull", "newer", "--dry-run")
    assert 'WHERE "part" >= 399 OR "part" IS NULL\n' in dry.out
    ended = one.run(line, "pull", "newer")
    assert ended.out == f"newer: 5 rows: 2 new or changed: sent to {one.topics.raw}; 3 unchanged\n"
    assert len({body["messageId"] for body in one.bodies()}) == len(one.bodies()) == 1202

    change(tmp_path, "DELETE FROM visits WHERE part > 0")
    assert "expected values of part at or above the last, got no row there" in one.run(line, "pull", "newer").err
    text = one.file.read_text()
    one.file.write_text(text.replace("cursor: part\n", "cursor: id\n"))
    other = one.run(line, "pull", "newer", "--dry-run")
    assert (
        "newer.settings.cursor: expected part, as in the pulls before, got id: `router pull newer --again`" in other.err
    )
    assert one.run(line, "pull", "newer", "--again", "--json").answer["changed"] == 3
    assert one.run(line, "pull", "newer", "--json").answer["unchanged"] == 1


WRONG = [
    ("uncursed", 1, "sources.uncursed.settings.cursor: expected a column of the query (id, plan, part), got prt (did"),
    ("other", 1, "sources.other.settings.cursor: expected a column of numbers, times or texts, got another type"),
    ("keyless", 1, "sources.keyless.settings.key: expected a column of the query (number, plan), got id"),
    ("typo", 1, "sources.typo.map.traits.plan: expected a column of the query (id, pln), got plan (did you mean pln?)"),
    ("twice", 1, "sources.twice.settings.query: expected each column once, got id twice"),
    ("faulty", 1, "sources.faulty: the query: Catalog Error: Table with name custmers does not exist!"),
    ("absent", 3, "sources.absent: expected a DuckDB file, got none at"),
    ("web", 1, "expected a source of the type sql, got web, of type segment"),
    ("crn", 1, "expected a source, got crn (did you mean crm?)"),
]


def test_what_cannot_be_pulled(one: HistoryStage, line: Line) -> None:
    for name, status, message in WRONG:
        ended = one.run(line, "pull", name)
        assert (ended.status, message in ended.err) == (status, True), ended
