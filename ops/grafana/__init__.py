"""The dashboards as Python: one file a dashboard, made into JSON by the Grafana Foundation SDK.

`python -m ops.grafana` writes ops/grafana/dashboards; a test says when they are out of date.
"""

from __future__ import annotations

from pathlib import Path

from ops.grafana import delivery, identity, overview, sources, workers

BOARDS = (overview.BOARD, delivery.BOARD, sources.BOARD, identity.BOARD, workers.BOARD)
DASHBOARDS = Path(__file__).parent / "dashboards"
