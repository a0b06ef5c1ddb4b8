"""The table of partners in the documentation is made from the classes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.partner_sources.catalog import PARTNER_SOURCES
from tests.config.topologies import load, write

README = Path(__file__).parent.parent.parent / "topologies" / "README.md"
HEAD = "| `type` | What to enter at the partner | How a post is known to be its |\n| --- | --- | --- |\n"


def table() -> str:
    rows = [f"| `{name}` | {one.enter} | {one.signature} |\n" for name, one in PARTNER_SOURCES.items()]
    return HEAD + "".join(rows)


def test_the_table_has_every_partner_as_its_class_describes_it() -> None:
    assert table() in README.read_text("utf-8"), "put this table there:\n" + table()


def test_the_example_is_a_topology(tmp_path: Path) -> None:
    section = README.read_text("utf-8").partition("## Partners as sources")[2].partition("\n## ")[0]
    (example,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)

    loaded = load(write(tmp_path, "partners.yaml", example), placeholders=True)
    assert list(loaded.source_settings) == list(loaded.topology.sources) == ["mail", "receipts", "tickets"]


@pytest.mark.parametrize("name", PARTNER_SOURCES)
def test_a_partner_says_what_it_is(name: str) -> None:
    partner = PARTNER_SOURCES[name]

    assert partner.type == name
    for text in (partner.summary, partner.enter, partner.signature):
        assert text
        assert text[0].isupper() or text.startswith("`")
        assert "|" not in text
    assert all(info.description for info in partner.Settings.model_fields.values())
