"""Files of other systems, written by us from the description of each format, and what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from router.plan import CompiledPlan, Plan, compile_plan, load_plan
from router.plan_tools.importers import Imported, import_plan
from router.plan_tools.lint import lint
from router.plan_tools.store import store

FILES = Path(__file__).parent / "files"


def imported(*names: str) -> Imported:
    return import_plan([FILES / name for name in names])


def on_disk(plan: Plan, folder: Path) -> Plan:
    """The plan, written and read again, which the linter lets pass."""
    store(plan, folder)
    read = load_plan(folder)
    assert [finding for finding in lint(read) if finding.level == "error"] == []
    return read


def compiled(plan: Plan) -> CompiledPlan:
    return compile_plan(plan)


def found(plan: CompiledPlan, **body: Any) -> list[tuple[str, str]]:
    """Type and place of all that is wrong with an event."""
    body.setdefault("type", "track")
    return sorted((each.violation.type, each.violation.pointer) for each in plan.find(body).findings(body))


def warnings(result: Imported) -> list[str]:
    """Warnings without the path of the test's own files."""
    return [str(warning).replace(f"{FILES}/", "") for warning in result.warnings]
