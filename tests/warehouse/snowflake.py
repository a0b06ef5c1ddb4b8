"""A Snowflake account's HTTP interface, as its connector asks it; the account itself is in `snowflake_account`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from router.warehouse.store import Failure, WarehouseStore
from router.warehouse.store_snowflake import SnowflakeStore
from tests.serving import serving
from tests.warehouse.snowflake_account import Snowflake
from tests.warehouse.snowflake_sql import Refused, success


class Hung(Exception):
    """The answer is lost: the connection is closed instead."""


@contextmanager
def running() -> Iterator[Snowflake]:
    """Until the end of the context."""
    made = Snowflake()

    class Requests(_Requests):
        partner = made

    with closing(made.store), serving(ThreadingHTTPServer(("127.0.0.1", 0), Requests)) as place:
        made.url = f"http://{place}"
        yield made


class _Requests(BaseHTTPRequestHandler):
    partner: ClassVar[Snowflake]
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip" and not self.path.startswith("/stages/"):
            body = gzip.decompress(body)
        status, answer = 200, success(None)
        with self.partner.changed:
            try:
                status, answer = self._route(body)
            except Refused as refused:
                answer = refused.answer
            except Hung:
                self.close_connection = True
                return
            except Exception as error:  # noqa: BLE001  of this double itself
                answer = Refused("999999", "XX000", f"{type(error).__name__}: {error}").answer
        content = json.dumps(answer).encode()
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self.wfile.write(head.encode() + content)

    do_GET = do_POST = do_PUT = _handle  # noqa: N815  as the base class calls them

    def _route(self, body: bytes) -> tuple[int, dict[str, Any]]:
        partner, place = self.partner, urlsplit(self.path)
        if place.path.startswith("/stages/"):
            partner.meet(place.path)
            partner.files[place.path] = body
            return 200, success(None)
        given, query = json.loads(body) if body else {}, parse_qs(place.query)
        partner.meet(place.path)
        token = self.headers.get("Authorization", "").partition('"')[2].strip('"')
        match place.path:
            case "/session/v1/login-request" if given["data"]["ACCOUNT_NAME"] == "xy12345":
                return 200, partner.login(given["data"], query)
            case "/session/token-request":
                return 200, partner.renew(token)
            case "/queries/v1/query-request":
                return 200, partner.query(partner.session(token), query["requestId"][0], given)
            case "/session":
                partner.end(partner.session(token))
                return 200, success(None)
        return 404, {}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as the base class calls it
        """No log."""


def connected(
    account: Snowflake, *, place: str = "loader@xy12345/shop", options: str = "warehouse=loading&role=loader",
    password: str | None = "hush-4711", key_file: Path | None = None,
) -> SnowflakeStore:  # fmt: skip
    return SnowflakeStore(f"snowflake://{place}?{options}&endpoint={account.url}", password, key_file, 2.0)


def why(store: WarehouseStore, attempt: Callable[[], object]) -> Failure:
    with pytest.raises(Exception) as failed:  # noqa: PT011  of several libraries
        attempt()
    return store.failure(failed.value)
