"""Reading another process's pages: what is not one of ours is `Unavailable`, never half an answer."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from router.config.options import Address, parse_address
from router.errors import Unavailable
from router.process.scrape import health, scrape
from tests.serving import serving


class _Stranger(BaseHTTPRequestHandler):
    body = b""
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def stranger() -> Iterator[Address]:
    """A server that answers everything with `_Stranger.body`."""
    with serving(HTTPServer(("127.0.0.1", 0), _Stranger)) as place:
        yield parse_address(place)


@pytest.mark.parametrize("body", [b"<html>", b"\xff\xfe", b"router_x not-a-number\n", b'x{a="1"'])
def test_a_page_of_another_kind_is_not_metrics(stranger: Address, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Stranger, "body", body)
    with pytest.raises(Unavailable, match="expected Prometheus's text format"):
        scrape(stranger)


def test_a_status_other_than_200_is_not_metrics(stranger: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Stranger, "status", 404)
    with pytest.raises(Unavailable, match="expected status 200, got 404"):
        scrape(stranger)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"ok": true}', b'{"ok": true, "checks": {"a": true}}', b"null"])
def test_a_page_of_another_kind_is_not_health(stranger: Address, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Stranger, "body", body)
    with pytest.raises(Unavailable, match="expected a health report"):
        health(stranger, "/readyz")


def test_words_do_not_outweigh_the_status(stranger: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Stranger, "body", b'{"ok": true, "checks": {}}')
    assert health(stranger, "/healthz").ok
    monkeypatch.setattr(_Stranger, "status", 503)
    assert not health(stranger, "/healthz").ok


def test_nobody_there_is_named_with_the_address() -> None:
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:1/metrics: no answer"):
        scrape(("127.0.0.1", 1))
