"""Dashboards as Grafana reads them, by its Foundation SDK.

What the SDK leaves to us, and Grafana misses: ids of panels, refIds of queries, the data source of each panel, and the
line break where a row of panels does not fill the width.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from ops.grafana.model import Board, Kind, Panel, Steps

RUNBOOK = "http://127.0.0.1:9090/user/runbook.md"
CONSOLE = "http://127.0.0.1:8090"
WIDTH = 24
TAG = "event-router"
_SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
# One colour for one meaning, on every dashboard.
_COLOURS = {
    "delivered": "green", "accepted": "green", "resolved": "green", "will be retried": "orange", "blocked": "orange",
    "given up": "red", "invalid": "red", "duplicate": "#8e8e8e", "filtered": "#8e8e8e", "received": "blue",
    "routed": "blue",
}  # fmt: skip
Builder = stat.Panel | timeseries.Panel | bargauge.Panel | table.Panel | heatmap.Panel | statetimeline.Panel
B = TypeVar("B", stat.Panel, timeseries.Panel, bargauge.Panel, table.Panel, heatmap.Panel, statetimeline.Panel)


def to_json(board: Board, runbook: str = RUNBOOK, console: str = CONSOLE) -> str:
    """The dashboard's file. `runbook`, `console`: addresses that its links lead to; an empty one has no link."""
    built = _frame(board, runbook, console)
    number, top = 0, 0
    for row in board.rows:
        number += 1
        built = built.with_row(dashboard.Row(row.title).id(number).grid_pos(models.GridPos(h=1, w=WIDTH, x=0, y=top)))
        left, top, height = 0, top + 1, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                left, top, height = 0, top + height, 0
            number += 1
            place = models.GridPos(h=panel.height, w=panel.width, x=left, y=top)
            built = built.with_panel(_panel(panel, runbook).id(number).grid_pos(place))
            left, height = left + panel.width, max(height, panel.height)
        top += height
    return JSONEncoder(sort_keys=True, indent=2).encode(built.build()) + "\n"


def _frame(board: Board, runbook: str, console: str) -> dashboard.Dashboard:
    built = (
        dashboard.Dashboard(board.title).uid(board.uid).description(board.text).tags([TAG]).refresh("30s")
        .time("now-1h", "now").timezone("browser").readonly().tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_choice("job", "label_values(router_ready, job)", several=False))
    )  # fmt: skip
    metrics = {"destination": "router_delivery_pending", "source": "router_source_resolved_total"}
    for name in board.variables:
        built = built.with_variable(_choice(name, f'label_values({metrics[name]}{{job="$job"}}, {name})', several=True))
    others = dashboard.DashboardLink("Dashboards").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    built = built.link(others.as_dropdown(True).keep_time(True).include_vars(True))
    for title, url in (("Runbook", runbook), ("Console", console)):
        if url:
            built = built.link(dashboard.DashboardLink(title).url(url).target_blank(True))
    return built


def _choice(name: str, query: str, *, several: bool) -> dashboard.QueryVariable:
    variable = (
        dashboard.QueryVariable(name).label(name.capitalize()).datasource(_SOURCE).query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    )  # fmt: skip
    if several:
        everything = models.VariableOption(selected=True, text="All", value="$__all")
        variable = variable.multi(True).include_all(True).all_value(".*").current(everything)
    return variable


def _panel(panel: Panel, runbook: str) -> Builder:
    made: dict[Kind, type[Builder]] = {
        "stat": stat.Panel, "series": timeseries.Panel, "bars": bargauge.Panel, "table": table.Panel,
        "heatmap": heatmap.Panel, "states": statetimeline.Panel,
    }  # fmt: skip
    built = made[panel.kind]()
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        asked = prometheus.Dataquery().expr(query.promql).legend_format(query.legend).ref_id(letter).datasource(_SOURCE)
        if panel.kind in ("bars", "table"):
            asked = asked.instant()
        if panel.kind == "table":
            asked = asked.format(PromQueryFormat.TABLE)
        if panel.kind == "heatmap":
            asked = asked.format(PromQueryFormat.HEATMAP)
        built = built.with_target(asked)
    return _shaped(_common(built, panel), panel, runbook)


def _common(built: Builder, panel: Panel) -> Builder:
    built = built.title(panel.title).description(panel.text).datasource(_SOURCE).unit(panel.unit)
    built = built.thresholds(_thresholds(panel.steps)).no_value(panel.empty or "no data")
    if panel.kind == "series":
        built = built.min(0)
    if panel.highest is not None:
        built = built.max(panel.highest)
    for query in panel.queries:
        if query.legend in _COLOURS:
            colour = {"mode": "fixed", "fixedColor": _COLOURS[query.legend]}
            built = built.override_by_name(query.legend, [models.DynamicConfigValue("color", colour)])
    if panel.words:
        results = {word: models.ValueMappingResult(text=text, color=colour) for word, text, colour in panel.words}
        built = built.mappings([models.ValueMap(results)])
    return built


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    found = [models.Threshold(value=None, color="text"), *(models.Threshold(value, colour) for value, colour in steps)]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def _shaped(built: Builder, panel: Panel, runbook: str) -> Builder:
    """What belongs to one kind of panel."""
    if isinstance(built, stat.Panel):
        return built.graph_mode(common_models.BigValueGraphMode.AREA).reduce_options(_last())
    if isinstance(built, timeseries.Panel):
        return _series(built, panel)
    if isinstance(built, bargauge.Panel):
        return built.orientation(common_models.VizOrientation.HORIZONTAL).reduce_options(_last()).min(0)
    if isinstance(built, table.Panel):
        return _table(built, panel, runbook)
    if isinstance(built, heatmap.Panel):
        scheme = heatmap.HeatmapColorOptions().mode(heatmap_models.HeatmapColorMode.SCHEME).scheme("Blues")
        return built.color(scheme).y_axis(heatmap.YAxisConfig().unit(panel.unit))
    return built.merge_values(True).show_value(common_models.VisibilityMode.NEVER).fill_opacity(80)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _series(built: timeseries.Panel, panel: Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(common_models.LegendDisplayMode.TABLE)
    legend = legend.placement(common_models.LegendPlacement.BOTTOM).show_legend(True).calcs(["lastNotNull", "max"])
    built = built.legend(legend.sort_by("Max").sort_desc(True)).line_width(1).fill_opacity(10)
    if panel.stacked:
        built = built.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    if panel.steps:
        shown = common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
        built = built.thresholds_style(shown)
    return built


def _table(built: table.Panel, panel: Panel, runbook: str) -> table.Panel:
    """The queries' answers side by side, a row for each set of labels; columns are named as the legends say."""
    values = {f"Value #{letter}": query for letter, query in zip(ascii_uppercase, panel.queries, strict=False)}
    if len(panel.queries) == 1:
        values = {"Value": panel.queries[0]}
    hidden = {"Time": True, "job": True, "__name__": True, "instance": True} | {
        name: True for name, query in values.items() if not query.legend
    }
    renamed = {name: query.legend for name, query in values.items() if query.legend}
    built = built.with_transformation(models.DataTransformerConfig("merge", options={})).with_transformation(
        models.DataTransformerConfig("organize", options={"excludeByName": hidden, "renameByName": renamed})
    )
    for query in panel.queries:
        coloured = _thresholds(query.steps).build()
        properties = [models.DynamicConfigValue("unit", query.unit or "short")]
        if query.steps:
            properties += [models.DynamicConfigValue("thresholds", coloured)]
            properties += [models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"})]
        if query.legend:
            built = built.override_by_name(query.legend, properties)
    if panel.link:
        column, _, url = panel.link.partition(" ")
        url = url.replace("RUNBOOK", runbook)
        links = [{"title": "Open", "url": url}]
        built = built.override_by_name(column, [models.DynamicConfigValue("links", links)])
    return built
