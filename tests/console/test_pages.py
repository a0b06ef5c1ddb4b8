"""Pages as pure functions: what they say of counts and records, and that nothing that comes from outside is markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import router.console
from router.console.pages.overview import overview
from router.console.sight import LatestCounts
from router.console.text import duration, number, share, visible
from router.process.snapshot import ProcessRow
from tests.console.pages import counts, html, inert, shop

CONSOLE = Path(router.console.__file__).parent
SOURCES = sorted(path for kind in ("html", "js", "py") for path in CONSOLE.rglob(f"*.{kind}"))
FORBIDDEN = (
    *("|safe", "| safe", "Markup(", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write"),
    *("DOMParser", "createPolicy", "autoescape=False", "autoescape false"),
)


def test_the_overview_begins_with_the_worst_and_names_its_destination(tmp_path: Path) -> None:
    page = html(overview(shop(tmp_path).topology, counts()))

    assert inert(page)
    concerns = page[page.index("Needs attention") : page.index("Funnel")]
    assert "does not answer" in concerns
    assert "Waiting: 6, none is lost" in concerns
    assert 'href="/destinations/crm"' in concerns
    rows = re.findall(r'href="/destinations/(\w+)"', page[page.index('id="destinations-table"') :])
    assert rows == ["crm", "ads", "off"]
    assert "10 received = 1 invalid + 3 duplicates + 2 blocked + 4 resolved" in page


def test_the_overview_says_when_counts_do_not_add_up(tmp_path: Path) -> None:
    page = html(overview(shop(tmp_path).topology, counts(received=12)))

    assert "does not add up by 2; at rest it must" in page


def test_a_process_that_is_down_and_lost_messages_come_first(tmp_path: Path) -> None:
    made = overview(shop(tmp_path).topology, counts(lost=4, processes=(ProcessRow("route", False, False, False),)))

    assert [one.subject for one in made.values["concerns"]][:3] == ["The input", "crm", "route"]


def test_without_an_answer_the_overview_says_so_and_keeps_what_it_knew(tmp_path: Path) -> None:
    topology = shop(tmp_path).topology
    never = html(overview(topology, LatestCounts(None, 0, "no answer (Connection refused)")))
    later = html(overview(topology, LatestCounts(counts().look, 1, "no answer (Connection refused)")))

    assert "Counts are not available: no answer (Connection refused)" in never
    assert "no process answers" in never
    assert "What you see is from" in later
    assert "10 received" in later


def test_numbers_and_texts() -> None:
    assert [number(n) for n in (0, 9_999, 12_345, 4_512_000, None)] == ["0", "9,999", "12.3 k", "4.51 M", "–"]
    assert [duration(s) for s in (0.035, 1.31, 240, 10_800, 864_000)] == ["35 ms", "1.3 s", "4 min", "3 h", "10 days"]
    assert [share(*pair) for pair in ((1, 0), (5, 5), (99_999, 100_000), (1, 3))] == [
        "–",
        "100 %",
        "99.99 %",
        "33.33 %",
    ]
    assert visible("a\u202eb\x00c") == "a⟨U+202E⟩b⟨U+0000⟩c"
    assert visible("x" * 500, 80) == "x" * 39 + "…" + "x" * 39


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_turns_text_into_markup(path: Path) -> None:
    text = path.read_text("utf-8")

    assert [one for one in FORBIDDEN if one in text] == []
    if path.suffix == ".html":
        assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://", text) == []
