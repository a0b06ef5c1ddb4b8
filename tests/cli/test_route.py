"""`router route`: one worker is this process itself; several are children (tests/process/test_workers.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.cli import route
from router.config.options import RunOptions
from tests.cli.lines import Line


def test_a_child_that_inherits_the_number_of_workers_is_one_worker(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop.yaml").write_text("name: shop\nsources: {web: {write_keys: [key]}}\n")
    for name, value in RunOptions(bootstrap="127.0.0.1:1").for_child("route-2").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ROUTER_WORKERS", "3")
    ran: list[str] = []

    def run(name: str, *_: object) -> int:
        ran.append(name)
        return 0

    monkeypatch.setattr(route, "run_process", run)

    assert line("route", tmp_path / "shop.yaml").status == 0
    assert ran == ["route"]
