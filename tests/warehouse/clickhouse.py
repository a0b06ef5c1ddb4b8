"""ClickHouse's HTTP interface in front of its engine as a library (chdb), where no server can be installed.

usage: python -m tests.warehouse.clickhouse FOLDER     prints its port, and ends with its standard input

SQL, types, tables, formats and messages of errors are the engine's; this file only hands over requests, their settings
and external data, and asks for the user default with the password hush-4711.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_ALLOWED = f"Basic {b64encode(b'default:hush-4711').decode()}"
_NO_SETTINGS = frozenset((
    "query", "database", "session_id", "client_protocol_version", "default_format", "compress", "query_id",
    "role", "wait_end_of_query", "buffer_size", "enable_http_compression", "send_progress_in_http_headers",
    "http_headers_progress_interval_ms",
))  # fmt: skip


def missing() -> str:
    """Why there is none; empty where there is."""
    libraries = [name for name in ("chdb", "clickhouse_connect") if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(libraries)}" if libraries else ""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Until the end of the context: host and port."""
    command = [sys.executable, "-m", __name__, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            port = server.stdout.readline().strip().decode()
            assert port, "the engine did not start: see standard error"
            yield f"127.0.0.1:{port}"
        finally:
            server.kill()


class _Requests(BaseHTTPRequestHandler):
    engine: Any  # of chdb.session.Session
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != _ALLOWED:
            self._answer(401, b"Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)")
            return
        try:
            self._answer(200, self._run(given, body))
        except Exception as error:  # noqa: BLE001  as a server answers whatever went wrong
            self._answer(500, str(error).encode())

    def do_GET(self) -> None:
        self.do_POST()

    def _run(self, given: dict[str, str], body: bytes) -> bytes:
        tables = list(self._external(body)) if "multipart/" in self.headers.get("Content-Type", "") else []
        sql = given.get("query", "")
        if not tables:
            sql = f"{sql}\n{body.decode()}" if sql else body.decode()
        settings = {name: value for name, value in given.items() if not self._is_no_setting(name)}
        try:
            for name, value in settings.items():
                self._ask(f"SET {name} = '{value}'")
            for name, content in tables:
                self._ask(f"CREATE TEMPORARY TABLE {name} ({given[f'{name}_structure']})")
                self._ask(f"INSERT INTO {name} FORMAT {given[f'{name}_format']}\n{content.decode()}")
            return self._ask(sql)
        finally:
            for name, _ in tables:
                self._ask(f"DROP TEMPORARY TABLE IF EXISTS {name}")
            for name in settings:
                self._ask(f"SET {name} = DEFAULT")

    def _is_no_setting(self, name: str) -> bool:
        return name in _NO_SETTINGS or (name.endswith(("_structure", "_format", "_types")) and "input" not in name)

    def _ask(self, sql: str) -> bytes:
        answer: bytes = self.engine.query(sql, "TabSeparated").bytes()
        return answer

    def _external(self, body: bytes) -> Iterator[tuple[str, bytes]]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        for part in BytesParser().parsebytes(head + body).walk():
            assert isinstance(part, Message)
            name = part.get_param("name", header="content-disposition")
            if isinstance(name, str):
                content = part.get_payload(decode=True)
                assert isinstance(content, bytes)
                yield name, content

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status != 200 and (code := re.search(rb"Code: (\d+)", body)):
            self.send_header("X-ClickHouse-Exception-Code", code[1].decode())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as the base class calls it
        """No log."""


def _end_with_input(server: HTTPServer) -> None:
    sys.stdin.read()
    server.shutdown()


def main(folder: str) -> None:
    from chdb.session import Session

    _Requests.engine = Session(folder)  # type: ignore[no-untyped-call]
    server = HTTPServer(("127.0.0.1", 0), _Requests)
    threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
