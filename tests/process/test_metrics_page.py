"""ops/metrics.md, router/metrics.py, the rules and the dashboards say the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from ops.grafana import BOARDS
from ops.grafana.build import to_json
from ops.grafana.model import Board
from router.agents import table
from router.agents.pipeline import AGENTS
from router.metrics import REGISTRY, PartitionTotals

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "ops/metrics.md"
PROMETHEUS = ROOT / "ops/prometheus"
DASHBOARDS = sorted((ROOT / "ops/grafana/dashboards").glob("*.json"))
_ROW = re.compile(r"\| `(router_\w+)` \| (\w+) \|([^|]*)\| ([^|]+) \|")
_NAME = re.compile(r"(?<![\w:])router_\w+")
Row = tuple[str, str, tuple[str, ...]]


def exported() -> Iterator[Row]:
    """Name as on the page, type and labels of all that is in the registry."""
    for collector in REGISTRY._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            suffix = "_total" if collector._type == "counter" else ""
            yield collector._name + suffix, str(collector._type), tuple(collector._labelnames)
        else:
            assert isinstance(collector, PartitionTotals), collector
            for family in collector.describe():
                yield f"{family.name}_total", family.type, tuple(family._labelnames)  # type: ignore[attr-defined]


def promised() -> list[Row]:
    rows = _ROW.findall(CONTRACT.read_text())
    return [(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows]


def test_the_contract_and_the_code_name_the_same_metrics_types_and_labels() -> None:
    assert sorted(promised()) == sorted(exported())


def told_of(label: str) -> set[str]:
    """The values that the contract gives of a label."""
    (row,) = re.findall(rf"^\| `{label.replace(' ', '` of `')}` \|(.*)\|$", CONTRACT.read_text(), re.MULTILINE)
    return set(re.findall(r"`(\w+)`", row))


def test_the_contract_names_what_the_agents_declare() -> None:
    stopping = [agent for agent in AGENTS if agent.ending is not None and agent.reasons]
    (sums,) = re.findall(r"^router_events_received_total = (.*?)(?: {2,}for|\n\n)", CONTRACT.read_text(), re.S | re.M)

    assert re.findall(r"router_events_(\w+)_total", sums) == ["invalid", "blocked", "duplicate", "resolved"]
    assert set(re.findall(r"router_events_(\w+)_total", sums)) == {ending.name for ending in table.ENDINGS}
    assert told_of("agent") == {agent.name for agent in stopping}
    assert told_of("stage") == {agent.name for agent in AGENTS}
    assert told_of("reason stopped") >= {reason for a in stopping if a.name != "decode" for reason in a.reasons}
    assert told_of("reason filtered") == {reason for a in AGENTS if a.ending is None for reason in a.reasons}


def test_every_metric_is_promised_once_and_begins_with_router() -> None:
    names = [name for name, _, _ in promised()]
    assert len(names) == len(set(names))
    assert all(name.startswith("router_") for name, _, _ in exported())


def test_every_label_has_its_values_told() -> None:
    told = CONTRACT.read_text().partition("## Values of labels")[2].partition("\n## ")[0]
    first_cells = " ".join(line.split("|")[1] for line in told.splitlines() if line.startswith("| `"))
    for _, _, labels in exported():
        for label in labels:
            assert f"`{label}`" in first_cells or label == "process", label


def known_names() -> set[str]:
    """All series names that rules and dashboards may use."""
    names: set[str] = set()
    for name, kind, _ in promised():
        names |= {name, f"{name}_bucket", f"{name}_count", f"{name}_sum"} if kind == "histogram" else {name}
    return names


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[str]:
    """Every expression of every dashboard, with Grafana's variables filled in."""
    found = []
    for dashboard in DASHBOARDS:
        board = json.loads(dashboard.read_text())
        found += [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return [promql(expression) for expression in found]


def promql(expression: str) -> str:
    """An expression of a dashboard, with Grafana's variables filled in."""
    values = {"$__rate_interval": "1m", "$__range": "1h", "$job": "router", "$destination": ".*", "$source": ".*"}
    for name, value in values.items():
        expression = expression.replace(name, value)
    return expression


def test_rules_and_dashboards_use_only_promised_names() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    expressions = [rule["expr"] for rule in rules()] + queries()
    assert len(expressions) > 40
    for expression in expressions:
        assert set(_NAME.findall(expression)) <= known_names(), expression
        assert set(re.findall(r"\w+:router_\w+:\w+", expression)) <= recorded, expression


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_the_dashboards_are_those_of_the_source(board: Board) -> None:
    written = (ROOT / f"ops/grafana/dashboards/{board.name}.json").read_text("utf-8")

    assert written == to_json(board), "out of date: run `python -m ops.grafana`"


def test_there_is_no_dashboard_without_a_source() -> None:
    assert {path.stem for path in DASHBOARDS} == {board.name for board in BOARDS}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_every_panel_says_what_it_shows_in_which_unit(board: Board) -> None:
    for panel in board.panels:
        assert len(panel.text) > 20, panel.title
        assert panel.text.endswith("."), panel.title
        assert panel.unit, panel.title
        assert panel.queries, panel.title
        assert [value for value, _ in panel.steps] == sorted(value for value, _ in panel.steps), panel.title


def test_every_alert_is_tested_to_be_raised_and_not_to_be() -> None:
    raised: set[str] = set()
    silent: set[str] = set()
    for file in PROMETHEUS.glob("*.test.yml"):
        for group in yaml.safe_load(file.read_text())["tests"]:
            for one in group.get("alert_rule_test", ()):
                (raised if one["exp_alerts"] else silent).add(one["alertname"])
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}

    assert raised == alerts
    assert silent == alerts


def test_dashboard_panels_have_their_own_ids_and_places() -> None:
    for dashboard in DASHBOARDS:
        panels = json.loads(dashboard.read_text())["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        cells = [
            (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
            for panel in panels
            for x in range(panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells))


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("promtool is missing, which CI does not allow (Debian: apt-get install prometheus)")
    return found or pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_valid_and_raise_the_alerts_they_should(promtool: str) -> None:
    run(promtool, "check", "rules", str(PROMETHEUS / "rules.yml"))
    run(promtool, "test", "rules", *map(str, sorted(PROMETHEUS.glob("*.test.yml"))))


def test_the_prometheus_configuration_is_valid(promtool: str) -> None:
    run(promtool, "check", "config", str(PROMETHEUS / "prometheus.yml"))


def test_every_query_of_the_dashboards_is_valid_promql(promtool: str, tmp_path: Path) -> None:
    probes = [{"record": f"probe:{number}:query", "expr": query} for number, query in enumerate(queries())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": probes}]}))
    run(promtool, "check", "rules", str(file))


def test_a_page_of_20_sources_and_20_destinations_is_below_185_kb() -> None:
    """In a process of its own: what is in the registry stays there."""
    page = [sys.executable, "-m", "tests.process.full_page"]
    done = subprocess.run(page, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)

    assert 50_000 < json.loads(done.stdout)["total"] < 185_000, done.stdout
