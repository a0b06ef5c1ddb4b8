"""Files that hold several tracking plans: one is chosen, and none is dropped unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from router.errors import FileError
from router.plan.model import Plan
from router.plan_tools.importers import import_plan
from tests.cli.lines import Line


def legacy(folder: Path, *names: str) -> Path:
    """A list answer of Segment's Config API."""
    plans = [{"display_name": name, "name": f"tp/{name}", "rules": {"events": [_event(name)]}} for name in names]
    return _json(folder, {"tracking_plans": plans})


def terraform(folder: Path, *names: str) -> Path:
    """A state whose second plan and those after it stand in modules."""
    found = [_resource(number, name) for number, name in enumerate(names)]
    inner = {"resources": [], "child_modules": [{"resources": found[1:]}]}
    return _json(folder, {"values": {"root_module": {"resources": found[:1], "child_modules": [inner]}}})


def project(folder: Path, *names: str) -> Path:
    """A RudderStack project: its plans share the catalog."""
    events = [{"id": name, "name": f"{name} opened", "event_type": "track"} for name in names]
    _yaml(folder / "catalog.yaml", "events", {"events": events})
    for name in names:
        rules = [{"type": "event_rule", "id": f"{name}_rule", "event": f"#event:{name}"}]
        _yaml(folder / f"{name}.yaml", "tracking-plan", {"id": f"{name}_id", "display_name": name, "rules": rules})
    return folder


def _event(name: str) -> dict[str, Any]:
    return {"name": f"{name} opened", "rules": {"type": "object", "properties": {"properties": {"type": "object"}}}}


def _resource(number: int, name: str) -> dict[str, Any]:
    rule = {"type": "TRACK", "key": f"{name} opened", "version": 1, "json_schema": '{"type":"object"}'}
    values = {"name": name, "type": "LIVE", "rules": [rule]}
    address = f"segment_tracking_plan.plan_{number}"
    return {"type": "segment_tracking_plan", "address": address, "name": f"plan_{number}", "values": values}


def _json(folder: Path, data: Any) -> Path:
    file = folder / "plans.json"
    file.write_bytes(orjson.dumps(data))
    return file


def _yaml(file: Path, kind: str, spec: dict[str, Any]) -> None:
    data = {"version": "rudder/v1", "kind": kind, "metadata": {"name": file.stem}, "spec": spec}
    file.write_text(yaml.safe_dump(data), "utf-8")


def summary(plan: Plan) -> tuple[str, list[str]]:
    return plan.name, [rule.title for rule in plan.rules]


@pytest.mark.parametrize("write", [legacy, terraform, project])
def test_each_of_several_plans_can_be_imported(tmp_path: Path, write: Any) -> None:
    files = write(tmp_path, "shop", "app", "site")

    for name in ("shop", "app", "site"):
        assert summary(import_plan([files], name).plan) == (name, [f"{name} opened"])


@pytest.mark.parametrize("write", [legacy, terraform, project])
def test_none_is_chosen_for_you(tmp_path: Path, write: Any) -> None:
    files = write(tmp_path, "shop", "app")

    with pytest.raises(FileError, match=r"expected one tracking plan, got several; choose one with --plan") as several:
        import_plan([files])
    with pytest.raises(FileError, match=r"got none of this name \(did you mean shop\?\)"):
        import_plan([files], "shopp")

    assert {"shop", "app"} <= set(str(several.value).replace(",", " ").split())


@pytest.mark.parametrize("write", [legacy, terraform, project])
def test_one_plan_needs_no_choice_but_the_right_one(tmp_path: Path, write: Any) -> None:
    files = write(tmp_path, "shop")

    assert summary(import_plan([files]).plan) == summary(import_plan([files], "shop").plan)
    with pytest.raises(FileError, match="expected one plan app among shop, got none of this name"):
        import_plan([files], "app")


def test_two_of_one_name_are_told_apart_by_their_addresses(tmp_path: Path) -> None:
    file = terraform(tmp_path, "shop", "shop")

    with pytest.raises(FileError, match=r"shop = segment_tracking_plan\.plan_0 = plan_0, .*got several of this name"):
        import_plan([file], "shop")
    assert import_plan([file], "segment_tracking_plan.plan_1").plan.name == "shop"


def test_a_choice_where_there_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sheet.csv"
    file.write_text("Event,Property\nPaid,total\n", "utf-8")

    with pytest.raises(FileError, match="got files of one plan"):
        import_plan([file], "shop")


def test_the_command_chooses(line: Line, tmp_path: Path) -> None:
    file = terraform(tmp_path, "shop", "app")

    unclear = line("plan", "import", file, "--to", tmp_path / "plan")
    chosen = line("plan", "import", file, "--plan", "app", "--to", tmp_path / "plan")

    assert (unclear.status, chosen.status) == (1, 0)
    assert "choose one with --plan: shop, app" in unclear.err
    assert (tmp_path / "plan/events/app-opened.yaml").exists()
