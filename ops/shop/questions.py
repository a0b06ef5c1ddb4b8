"""Three questions that a shop asks of its warehouse, and the SQL that answers them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

CALLS = ("tracks", "pages", "identifies")
# A name in braces stands for that table of all sources.
QUESTIONS = {
    "Who are the best customers, whichever way they order?": """\
SELECT coalesce(email, user_id) AS customer, count(*) AS orders, sum(total) AS revenue
FROM ({order_completed})
LEFT JOIN (SELECT DISTINCT id, email
  FROM ({users})) AS people ON people.id = user_id
GROUP BY ALL ORDER BY revenue DESC LIMIT 3""",
    "Of those who visit, how many put something into the cart, and how many sign up?": """\
SELECT count(DISTINCT anonymous_id) AS visitors,
  count(DISTINCT anonymous_id) FILTER (event = 'product_added') AS chose,
  count(DISTINCT anonymous_id) FILTER (event = 'signed_up') AS signed_up
FROM ({tracks}) WHERE anonymous_id IS NOT NULL""",
    "What do people look at without choosing it?": """\
SELECT category, count(*) FILTER (event = 'product_viewed') AS viewed,
  count(*) FILTER (event = 'product_added') AS added
FROM ({product_viewed}
  UNION ALL BY NAME {product_added})
GROUP BY category ORDER BY added / viewed, category""",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows as texts; none where the tables are not there, as nothing of the kind was sent."""

    question: str
    sql: str
    columns: Sequence[str] = ("",)
    rows: Sequence[Sequence[str]] = ()


def answers(warehouse: Path) -> list[Answer]:
    """What the file says; nobody may be loading into it."""
    with duckdb.connect(str(warehouse), read_only=True) as database:
        return [_answer(database, question, sql) for question, sql in QUESTIONS.items()]


def _answer(database: duckdb.DuckDBPyConnection, question: str, sql: str) -> Answer:
    tables = {name: _union(database, name) for name in re.findall(r"{(\w+)}", sql)}
    asked = sql.format(**tables)
    if not all(tables.values()):
        return Answer(question, sql)
    found = database.sql(asked)
    return Answer(question, asked, found.columns, [list(map(_text, row)) for row in found.fetchall()])


def _union(database: duckdb.DuckDBPyConnection, table: str) -> str:
    """The table in all schemas that have one: a source that has sent no such event has none."""
    return "\n  UNION ALL BY NAME ".join(f"FROM {schema}.{table}" for schema in _schemas(database, table))


def _schemas(database: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    found = database.execute(
        "SELECT schema_name FROM duckdb_tables() WHERE table_name = ? ORDER BY schema_name", [table]
    )
    return [schema for (schema,) in found.fetchall()]


def _text(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def loaded(warehouse: Path) -> list[str]:
    """Ids of all events in the tables of calls."""
    with duckdb.connect(str(warehouse), read_only=True) as database:
        return [
            str(key)
            for table in CALLS
            for schema in _schemas(database, table)
            for (key,) in database.execute(f"SELECT id FROM {schema}.{table}").fetchall()
        ]
