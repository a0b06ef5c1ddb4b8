"""Sources of the type sql in a topology file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.config.pulled import SqlSettings
from router.gateway.receivers import PostReceivers
from router.history.map_file import load_map
from tests.config.topologies import load, problems, write

README = Path(__file__).parent.parent.parent / "topologies" / "README.md"
SETTINGS = "url: duckdb:///data/shop.duckdb, query: ./customers.sql, every: 30m"


def topology(folder: Path, source: str) -> Path:
    return write(folder, "t.yaml", f"name: shop\nsources:\n  crm: {source}\n")


def test_files_are_beside_the_topology_and_nobody_posts_to_it(tmp_path: Path) -> None:
    loaded = load(topology(tmp_path, f"{{type: sql, settings: {{{SETTINGS}}}, map: {{userId: id}}}}"))

    settings = loaded.source_settings["crm"]
    assert isinstance(settings, SqlSettings)
    assert settings.url.get_secret_value() == f"duckdb:///{tmp_path}/data/shop.duckdb"
    assert (settings.query, settings.columns, settings.every) == (str(tmp_path / "customers.sql"), ("id",), 1800)
    with pytest.raises(Exception, match="unknown_hook"):
        PostReceivers.of(loaded).find("crm")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (f"{{type: sql, settings: {{{SETTINGS}}}}}", "expected map, or settings.objects, got neither"),
        (
            f"{{type: sql, settings: {{{SETTINGS}, objects: tickets}}, map: {{userId: id}}}}",
            "expected map or settings.objects, got both",
        ),
        ("{type: sql, settings: {query: SELECT 1}, map: {userId: id}}", "url: "),
        (
            "{type: sql, settings: {url: 'mysql://x', query: SELECT 1}, map: {userId: id}}",
            "expected postgresql://… or duckdb:///FILE",
        ),
        (f"{{type: sql, settings: {{{SETTINGS}, key: []}}, map: {{userId: id}}}}", "expected key: the column"),
        (
            f"{{type: sql, settings: {{{SETTINGS}, cursor: at, deleted: {{userId: id}}}}, map: {{userId: id}}}}",
            "expected cursor or deleted, got both",
        ),
        (f"{{type: sql, settings: {{{SETTINGS}, cursor: ''}}, map: {{userId: id}}}}", "cursor: "),
        (f"{{type: sql, settings: {{{SETTINGS}, evry: 1h}}, map: {{userId: id}}}}", "did you mean every?"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, source: str, problem: str) -> None:
    assert problem in "\n".join(problems(topology(tmp_path, source)))


def example(heading: str) -> str:
    section = README.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    (found,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    return str(found)


def test_the_examples_of_the_documentation_are_what_they_say(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, "t.yaml", "name: shop\n" + example("Rows of a database")), placeholders=True)
    assert list(loaded.source_settings) == ["crm-rows", "tickets", "visits"]

    _, mapping = load_map(write(tmp_path, "map.yaml", example("Importing the past")))
    row = {"customer_id": "7", "created_at": "2020-01-02", "plan.tier": "gold", "orders": "3"}
    assert mapping.apply(row) == (
        {
            "type": "identify",
            "userId": "7",
            "timestamp": "2020-01-02T00:00:00.000Z",
            "traits": {"plan": "gold", "orders": 3},
        },
        [],
    )
