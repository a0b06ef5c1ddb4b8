"""`line` runs the router command in this process."""

from __future__ import annotations

import os

import pytest

from tests.cli.lines import Line


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Line:
    """Command lines without the options that this process's environment may hold."""
    for name in list(os.environ):
        if name.startswith("ROUTER_") and not name.startswith("ROUTER_TEST_"):
            monkeypatch.delenv(name)
    return Line(capsys)
