"""Read another process's pages over HTTP: its metrics as families, its health as a report."""

from __future__ import annotations

import http.client
import json

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from router.config.options import Address
from router.errors import Unavailable
from router.process.health import Check, Report

SECONDS = 10.0
_LARGEST_PAGE = 64 * 1024 * 1024


def families(text: str) -> list[Metric]:
    """Metric families of a page in Prometheus's text format. Raises ValueError when it is not one."""
    return list(text_string_to_metric_families(text))


def scrape(address: Address, seconds: float = SECONDS) -> list[Metric]:
    """Families of the process's /metrics. Raises Unavailable when it does not answer with such a page."""
    status, body = _get(address, "/metrics", seconds)
    if status != http.client.OK:
        raise Unavailable(f"{_shown(address)}/metrics: expected status 200, got {status}")
    try:
        return families(body.decode())
    except ValueError as error:
        raise Unavailable(f"{_shown(address)}/metrics: expected Prometheus's text format, got another page") from error


def health(address: Address, page: str, seconds: float = SECONDS) -> Report:
    """The report at `/readyz` or `/healthz`. Raises Unavailable when the process does not answer with one."""
    status, body = _get(address, page, seconds)
    try:
        answer = json.loads(body)
        checks = {
            name: Check(check["ok"] is True, str(check.get("why", ""))) for name, check in answer["checks"].items()
        }
        return Report(status == http.client.OK and answer["ok"] is True, checks)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unavailable(f"{_shown(address)}{page}: expected a health report, got another page") from error


def _get(address: Address, path: str, seconds: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*address, timeout=seconds)
    try:
        connection.request("GET", path, headers={"Accept": "text/plain; version=0.0.4"})
        response = connection.getresponse()
        return response.status, response.read(_LARGEST_PAGE)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unavailable(f"{_shown(address)}{path}: no answer ({reason})") from error
    finally:
        connection.close()


def _shown(address: Address) -> str:
    host, port = address
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
