"""Writes the dashboards. `python -m ops.grafana --runbook URL --console URL` for addresses of your own."""

from __future__ import annotations

import argparse
from pathlib import Path

from ops.grafana import BOARDS, DASHBOARDS
from ops.grafana.build import CONSOLE, RUNBOOK, to_json

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m ops.grafana", description="Write the dashboards as JSON.")
    parser.add_argument("--folder", type=Path, default=DASHBOARDS, help="where to (default: %(default)s)")
    parser.add_argument("--runbook", default=RUNBOOK, metavar="URL", help="what the links Runbook open (%(default)s)")
    parser.add_argument(
        "--console", default=CONSOLE, metavar="URL", help="what the link Console opens (%(default)s; empty: no link)"
    )
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        text = to_json(board, chosen.runbook, chosen.console)
        (chosen.folder / f"{board.name}.json").write_text(text, "utf-8")
