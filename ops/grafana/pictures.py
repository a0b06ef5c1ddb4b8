"""Draws the dashboards from the answers of a Prometheus: `python -m ops.grafana.pictures`.

These are drawings of the very queries' answers, not Grafana's pages: for the README, and for a look where no Grafana is.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path

from ops.grafana import BOARDS
from ops.grafana.answers import Asked
from ops.grafana.draw import picture

PICTURES = Path(__file__).parent / "pictures"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m ops.grafana.pictures", description="Draw the dashboards as SVG.")
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", metavar="URL", help="(default: %(default)s)")
    parser.add_argument("--job", default="router", help="the job that scrapes the router (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=15.0, help="how far back to look (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=PICTURES, help="where to (default: %(default)s)")
    chosen = parser.parse_args()
    now = time.time()
    asked = Asked(chosen.prometheus, chosen.job, now - 60 * chosen.minutes, now)
    said = f"Drawn by python -m ops.grafana.pictures, {datetime.now(UTC):%Y-%m-%d}: answers of Prometheus, not Grafana's own page."
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        drawn = picture(board, lambda panel: [asked.answer(panel, query) for query in panel.queries], said)
        (chosen.folder / f"{board.name}.svg").write_text(drawn, "utf-8")
