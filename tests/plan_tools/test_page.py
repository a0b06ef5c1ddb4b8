"""The page of a plan in a real browser: its script runs under its own policy, and the search finds."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest

from router.plan import load_plan
from router.plan_tools.exporters import FORMATS

SHOP = Path(__file__).parents[2] / "schemas/shop"
pytestmark = pytest.mark.browser


class Shown(HTMLParser):
    """What a person would see: the rules that are not hidden, the count, the rows that are marked."""

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[str] = []
        self.marked = 0
        self.count = ""
        self._in_count = False
        self.nothing = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "article" and "data-text" in given and "hidden" not in given:
            self.cards.append(given["id"] or "")
        self.marked += tag == "tr" and given.get("class") == "hit"
        self._in_count = given.get("id") == "count"
        self.nothing = self.nothing or (given.get("id") == "nothing" and "hidden" not in given)

    def handle_data(self, data: str) -> None:
        if self._in_count:
            self.count, self._in_count = data, False


def opened(chromium: Sequence[str], folder: Path, query: str) -> tuple[Shown, str]:
    """The page after its script has run, and what the browser complained of."""
    file = folder / "plan.html"
    file.write_text(FORMATS["html"](load_plan(SHOP)).text, "utf-8")
    profile = f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run(
        [*chromium, profile, "--dump-dom", f"{file.as_uri()}{query}"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    shown = Shown()
    shown.feed(done.stdout)
    return shown, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def test_the_page_shows_all_rules_and_breaks_no_policy(chromium: Sequence[str], tmp_path: Path) -> None:
    shown, complaints = opened(chromium, tmp_path, "")

    assert complaints == ""
    assert len(shown.cards) == len(load_plan(SHOP).rules)
    assert shown.count == "10 rules"
    assert not shown.nothing


def test_a_search_leaves_the_rules_that_hold_every_word(chromium: Sequence[str], tmp_path: Path) -> None:
    shown, complaints = opened(chromium, tmp_path, "?q=Order+currency")

    assert complaints == ""
    assert shown.cards == ["track-order-completed", "track-order-completed-2"]
    assert shown.count == "2 of 10 rules"
    assert shown.marked >= 2


def test_a_search_for_what_is_not_there_says_so(chromium: Sequence[str], tmp_path: Path) -> None:
    shown, _ = opened(chromium, tmp_path, "?q=zebra")

    assert shown.cards == []
    assert shown.nothing
