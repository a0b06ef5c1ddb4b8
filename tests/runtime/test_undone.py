"""The lines that `undone.py` undoes are where it says; it is run by hand, since each one takes the tests seconds."""

from __future__ import annotations

import pytest

from tests.runtime.undone import ROOT
from tests.runtime.undone_lines import LINES, Undone


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_each_line_stands_once(line: Undone) -> None:
    for file, old, new in line.edits:
        assert (ROOT / file).read_text().count(old) == 1
        assert old != new
