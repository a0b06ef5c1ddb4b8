"""The official libraries that no registry of CI has, unchanged, pointed at the gateway: six calls each.

They are run by hand, where ROUTER_SDK_CHECKOUTS names a folder with the work trees `analytics-ruby`, `analytics-php`
and `Analytics.NET` of github.com/segmentio. What they sent is replayed by test_library_requests.py, in CI too. Mono
runs Analytics.NET; the newer Analytics-CSharp needs a compiler that Debian lacks.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which
from socket import create_connection, socket
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest

from router.embedded.broker import EmbeddedBroker
from tests.gateway.running import KEY, Running, running
from tests.gateway.sdk_programs import NET, PHP, RUBY
from tests.gateway.test_sdks import six_calls

SECONDS = 600
NEWTONSOFT = Path("/usr/lib/cli/Newtonsoft.Json-5.0/Newtonsoft.Json.dll")  # of Debian's libnewtonsoft-json5.0-cil


@pytest.fixture(scope="module")
def gateway(embedded: EmbeddedBroker) -> Iterator[Running]:
    with running("checkouts", embedded) as found:
        yield found


def checkout(name: str, *commands: str) -> Path:
    """The work tree of a library; what is missing is the reason of a skip."""
    given = os.environ.get("ROUTER_SDK_CHECKOUTS")
    if not given:
        pytest.skip("ROUTER_SDK_CHECKOUTS names no folder with the libraries that no registry has")
    if not (Path(given) / name).is_dir():
        pytest.skip(f"there is no {name} in {given}")
    for command in commands:
        if which(command) is None:
            pytest.skip(f"{command} is not installed")
    return Path(given) / name


def run(*arguments: str | Path, folder: Path, **environment: str) -> None:
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=folder,
        env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def with_tls(gateway: Running, folder: Path) -> Iterator[tuple[str, Path]]:
    """A proxy as it stands in front of a gateway: its port on localhost, and the certificate to trust."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    made = ("-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", certificate)
    run("openssl", "req", *made, *names, folder=folder)

    class Relay(BaseRequestHandler):
        def handle(self) -> None:
            with create_connection(gateway.address) as inner:
                back = threading.Thread(target=copy, args=(inner, self.request))
                back.start()
                copy(self.request, inner)
                back.join()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingTCPServer(("127.0.0.1", 0), Relay) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield str(server.server_address[1]), certificate
        server.shutdown()


def copy(source: Any, target: socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(1)


def test_every_call_of_the_ruby_library_is_in_kafka(gateway: Running, tmp_path: Path) -> None:
    library = checkout("analytics-ruby", "ruby", "openssl")
    (tmp_path / "calls.rb").write_text(RUBY)
    with with_tls(gateway, tmp_path) as (port, certificate):
        run("ruby", "-I", library / "lib", "calls.rb", KEY, port, folder=tmp_path, SSL_CERT_FILE=str(certificate))
    assert six_calls(gateway)["track"]["context"]["library"]["name"] == "analytics-ruby"


def test_every_call_of_the_php_library_is_in_kafka(gateway: Running, tmp_path: Path) -> None:
    library = checkout("analytics-php", "php", "openssl")
    (tmp_path / "calls.php").write_text(PHP)
    with with_tls(gateway, tmp_path) as (port, certificate):
        trust = f"curl.cainfo={certificate}"
        run("php", "-d", trust, "calls.php", KEY, port, folder=tmp_path, LIBRARY=str(library))
    assert six_calls(gateway)["track"]["context"]["library"]["name"] == "analytics-php"


@pytest.mark.parametrize("form", ["plain", "gzip"])
def test_every_call_of_the_net_library_is_in_kafka(gateway: Running, tmp_path: Path, form: str) -> None:
    library = checkout("Analytics.NET", "mcs", "mono")
    if not NEWTONSOFT.exists():
        pytest.skip(f"there is no {NEWTONSOFT}")
    (tmp_path / "Calls.cs").write_text(NET)
    compiled = ("-out:calls.exe", "-langversion:latest", f"-r:{NEWTONSOFT}", "-r:System.Net.Http")
    run("mcs", *compiled, "Calls.cs", *sorted((library / "Analytics").rglob("*.cs")), folder=tmp_path)
    run("mono", "calls.exe", KEY, gateway.url, form, folder=tmp_path)
    assert six_calls(gateway)["track"]["context"]["library"]["name"] == "Analytics.NET"
