"""The drawings of the dashboards: each panel is there, hostile names are text, and what the docs show is small."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from ops.grafana import BOARDS
from ops.grafana.answers import Line, filled
from ops.grafana.draw import number, picture
from ops.grafana.model import Board, Panel
from ops.grafana.pictures import PICTURES

HOSTILE = "<script>alert(1)</script>&\u202e"
LARGEST = 100_000
TIMES = (0.0, 30.0, 60.0)


def answers(panel: Panel) -> list[list[Line]]:
    """Ten series for each query, all labels hostile; buckets of a histogram where that is asked."""
    lines = [
        Line(
            {"destination": HOSTILE, "le": "+Inf" if number == 9 else str(number), "x": str(number)},
            tuple((at, at * number) for at in TIMES),
        )
        for number in range(10)
    ]
    return [lines for _ in panel.queries]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_every_panel_is_drawn_whatever_the_answers_are(board: Board) -> None:
    full, empty = picture(board, answers, "said"), picture(board, lambda panel: [[] for _ in panel.queries], "said")

    for drawn in (full, empty):
        root = ElementTree.fromstring(drawn)
        assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
            "svg", "title", "g", "rect", "text", "line", "polyline",
        }  # fmt: skip
        written = {element.text for element in root.iter() if element.text}
        assert {panel.title for panel in board.panels if len(panel.title) < 20} <= written
    assert "<script" not in full
    assert empty.count("no data") == sum(not panel.empty for panel in board.panels)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_the_pictures_in_the_docs_are_small_and_of_these_dashboards(board: Board) -> None:
    drawn = (PICTURES / f"{board.name}.svg").read_text("utf-8")

    assert len(drawn) < LARGEST
    assert f"<title>{board.title}</title>" in drawn
    assert f"({PICTURES.name}/{board.name}.svg)" in (PICTURES.parent / "README.md").read_text("utf-8")
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", drawn) == []


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [(0.9951, "percentunit", "99.51 %"), (0.032, "s", "32 ms"), (0, "s", "0 s"), (7_200, "s", "2 h"),
     (12_345, "short", "12.3 k"), (3.2e9, "bytes", "3.2 GB"), (1.25, "suffix:/s", "1.25/s"), (7, "short", "7")],
)  # fmt: skip
def test_values_are_written_as_people_read_them(value: float, unit: str, said: str) -> None:
    assert number(value, unit) == said


def test_no_variable_is_left_in_a_query() -> None:
    queries = [query.promql for board in BOARDS for panel in board.panels for query in panel.queries]

    assert [one for one in (filled(query, "router", 900) for query in queries) if "$" in one] == []
