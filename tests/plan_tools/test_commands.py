"""`router plan import` and `export` on the command line: nothing is overwritten unasked, nothing stale is left."""

from __future__ import annotations

from pathlib import Path

import orjson

from tests.cli.lines import Line
from tests.plan_tools.folders import FILES

SHOP = Path(__file__).parents[2] / "schemas/shop"


def test_a_plan_is_imported_and_passes_the_linter(line: Line, tmp_path: Path) -> None:
    to = tmp_path / "plan"

    ended = line("plan", "import", FILES / "segment/config_api.json", "--to", to)

    assert ended.status == 0
    assert ended.out.endswith("4 rules in 6 files, 0 warnings, from Segment Config API export (JSON)\n")
    assert line("plan", "lint", to).status == 0


def test_a_plan_that_is_there_is_replaced_only_when_asked(line: Line, tmp_path: Path) -> None:
    to = tmp_path / "plan"
    assert line("plan", "import", FILES / "segment/config_api.json", "--to", to).status == 0
    (to / "README.md").write_text("mine", "utf-8")

    ended = line("plan", "import", FILES / "segment/typewriter.json", "--to", to)
    assert ended.status == 1
    assert "--force replaces it" in ended.err
    assert (to / "events/order-completed.yaml").exists()

    assert line("plan", "import", FILES / "segment/typewriter.json", "--to", to, "--force").status == 0
    assert sorted(path.name for path in (to / "events").iterdir()) == ["feed-viewed.yaml", "profile-viewed.yaml"]
    assert not (to / "identify.yaml").exists()
    assert (to / "README.md").read_text("utf-8") == "mine"


def test_a_file_where_a_folder_should_be_is_refused(line: Line, tmp_path: Path) -> None:
    to = tmp_path / "plan"
    to.write_text("x", "utf-8")

    assert line("plan", "import", FILES / "segment/typewriter.json", "--to", to).status == 1


def test_warnings_are_objects_with_json(line: Line, tmp_path: Path) -> None:
    ended = line("plan", "import", FILES / "segment/draft04.json", "--to", tmp_path / "plan", "--json")

    assert (ended.status, ended.answer["format"], ended.answer["rules"]) == (0, "segment-config", 1)
    assert {"file", "path", "message"} <= ended.answer["warnings"][0].keys()


def test_what_cannot_be_imported_writes_nothing(line: Line, tmp_path: Path) -> None:
    ended = line("plan", "import", FILES / "sheets/not_a_plan.csv", tmp_path / "none.json", "--to", tmp_path / "plan")

    assert ended.status == 1
    assert "none.json: (root): expected a readable file" in ended.err
    assert not (tmp_path / "plan").exists()


def test_an_export_goes_to_stdout_or_into_a_file(line: Line, tmp_path: Path) -> None:
    ended = line("plan", "export", SHOP, "--format", "segment")
    assert ended.status == 0
    assert orjson.loads(ended.out)["trackingPlan"]["name"] == "shop"
    assert "which Segment does not tell apart" in ended.err
    assert line("plan", "export", SHOP, "--format", "html", "--out", tmp_path / "a/plan.html").status == 0
    assert (tmp_path / "a/plan.html").read_text("utf-8").startswith("<!doctype html>")
    assert line("plan", "export", SHOP, "--format", "html", "--out", tmp_path).status == 2
    assert line("plan", "export", SHOP, "--format", "pdf").status == 2
