"""`router ops-files` hands out the files of operations, and replaces none unasked."""

from __future__ import annotations

from pathlib import Path

from ops.running import ROOT
from router.cli.ops_files import operations
from tests.cli.lines import Line


def test_they_are_those_of_the_checkout() -> None:
    files = operations()

    assert {"runbook.md", "metrics.md", "prometheus/rules.yml", "grafana/dashboards/delivery.json"} <= set(files)
    assert all((ROOT / "ops" / name).read_text("utf-8") == text for name, text in files.items())


def test_they_are_written_once_and_replaced_when_asked(line: Line, tmp_path: Path) -> None:
    folder = tmp_path / "ops"

    first = line("ops-files", folder)
    assert (first.status, len(first.out.splitlines())) == (0, len(operations()))
    assert (folder / "runbook.md").read_text("utf-8") == (ROOT / "ops/runbook.md").read_text("utf-8")
    assert line("ops-files", folder, "--json").answer["files"] == sorted(operations())

    (folder / "runbook.md").write_text("mine")
    refused = line("ops-files", folder)
    assert (refused.status, (folder / "runbook.md").read_text()) == (1, "mine")
    assert refused.err.startswith(f"{folder}/runbook.md: (root): expected no file, or one of the same content")
    assert line("ops-files", folder, "--force").status == 0
    assert (folder / "runbook.md").read_text("utf-8").startswith("# ")


def test_a_folder_that_cannot_be_written_is_said(line: Line, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    ended = line("ops-files", tmp_path / "file")

    assert ended.status == 2
    assert "expected a folder that can be written" in ended.err
