"""The official libraries that no registry of CI has, unchanged, pointed at the gateway: six calls each.

They are run by hand, where ROUTER_SDK_CHECKOUTS names a folder with the work trees `analytics-go`, `analytics-ruby`,
`analytics-php` and `analytics-rust` of github.com/segmentio, the last of which compiles for a minute. What they sent
is replayed by test_library_requests.py, in CI too. .NET's library needs NuGet, and is run by nothing here.
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
from tests.gateway.test_sdks import six_calls

SECONDS = 600

GO = """
package main

import (
	"os"

	"github.com/segmentio/analytics-go/v3"
)

type report struct{ failed bool }

func (r *report) Success(analytics.Message)        {}
func (r *report) Failure(analytics.Message, error) { r.failed = true }

func main() {
	told := &report{}
	client, err := analytics.NewWithConfig(os.Args[1], analytics.Config{Endpoint: os.Args[2], Callback: told})
	if err != nil {
		panic(err)
	}
	for _, message := range []analytics.Message{
		analytics.Identify{UserId: "u1", Traits: analytics.NewTraits().Set("plan", "pro")},
		analytics.Track{UserId: "u1", Event: "Order Completed", Properties: analytics.NewProperties().Set("total", 9.5),
			Integrations: analytics.NewIntegrations().Disable("CRM")},
		analytics.Page{UserId: "u1", Name: "Home"},
		analytics.Screen{UserId: "u1", Name: "Start"},
		analytics.Group{UserId: "u1", GroupId: "g1", Traits: analytics.NewTraits().SetName("Shop")},
		analytics.Alias{UserId: "u1", PreviousId: "a1"},
	} {
		if err := client.Enqueue(message); err != nil {
			panic(err)
		}
	}
	client.Close()
	if told.failed {
		os.Exit(1)
	}
}
"""
RUBY = """
require "segment/analytics"
failed = []
analytics = Segment::Analytics.new(write_key: ARGV[0], host: "localhost", port: ARGV[1].to_i,
                                   on_error: proc { |status, error| failed << [status, error] })
analytics.identify(user_id: "u1", traits: { plan: "pro" })
analytics.track(user_id: "u1", event: "Order Completed", properties: { total: 9.5 }, integrations: { CRM: false })
analytics.page(user_id: "u1", name: "Home")
analytics.screen(user_id: "u1", name: "Start")
analytics.group(user_id: "u1", group_id: "g1", traits: { name: "Shop" })
analytics.alias(user_id: "u1", previous_id: "a1")
analytics.flush
abort failed.inspect if failed.any?
"""
PHP = """<?php
spl_autoload_register(function ($name) {
    $path = str_replace("\\\\", "/", substr($name, strlen("Segment/")));
    require getenv("LIBRARY") . "/lib/$path.php";
});
use Segment\\Segment;
$failed = [];
Segment::init($argv[1], ["host" => "localhost:" . $argv[2], "error_handler" => function ($code, $text) use (&$failed) {
    $failed[] = [$code, $text];
}]);
Segment::identify(["userId" => "u1", "traits" => ["plan" => "pro"]]);
Segment::track(["userId" => "u1", "event" => "Order Completed", "properties" => ["total" => 9.5],
    "integrations" => ["CRM" => false]]);
Segment::page(["userId" => "u1", "name" => "Home"]);
Segment::screen(["userId" => "u1", "name" => "Start"]);
Segment::group(["userId" => "u1", "groupId" => "g1", "traits" => ["name" => "Shop"]]);
Segment::alias(["userId" => "u1", "previousId" => "a1"]);
Segment::flush();
if ($failed) { print_r($failed); exit(1); }
"""
RUST_PACKAGE = """
[package]
name = "calls"
version = "0.1.0"
edition = "2021"

[dependencies]
analytics = {{ path = "{library}" }}
reqwest = {{ version = "0.11", features = ["blocking"] }}
serde_json = "1"
"""
RUST = """
use analytics::{client::Client, http::HttpClient, message::*};
use serde_json::json;

fn main() {
    let given: Vec<String> = std::env::args().collect();
    let client = HttpClient::new(reqwest::blocking::Client::new(), given[2].clone());
    let user = || User::UserId { user_id: "u1".to_owned() };
    let context = || Some(json!({"channel": "server"}));
    let extra = || json!({"channel": "server"}).as_object().unwrap().clone();
    for message in [
        Message::Identify(Identify { user: user(), traits: json!({"plan": "pro"}), context: context(), extra: extra(),
            ..Default::default() }),
        Message::Track(Track { user: user(), event: "Order Completed".to_owned(), properties: json!({"total": 9.5}),
            integrations: Some(json!({"CRM": false})), context: context(), extra: extra(), ..Default::default() }),
        Message::Page(Page { user: user(), name: "Home".to_owned(), context: context(), extra: extra(),
            ..Default::default() }),
        Message::Screen(Screen { user: user(), name: "Start".to_owned(), context: context(), extra: extra(),
            ..Default::default() }),
        Message::Group(Group { user: user(), group_id: "g1".to_owned(), traits: json!({"name": "Shop"}),
            context: context(), extra: extra(), ..Default::default() }),
        Message::Alias(Alias { user: user(), previous_id: "a1".to_owned(), context: context(), extra: extra(),
            ..Default::default() }),
    ] {
        client.send(&given[1], &message).expect("could not send");
    }
}
"""


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


def test_every_call_of_the_go_library_is_in_kafka(gateway: Running, tmp_path: Path) -> None:
    library = checkout("analytics-go", "go")
    name = "github.com/segmentio/analytics-go/v3"
    (tmp_path / "main.go").write_text(GO)
    (tmp_path / "go.mod").write_text(
        f"module calls\n\ngo 1.21\n\nrequire {name} v3.3.0\n\nreplace {name} => {library}\n"
    )
    run("go", "mod", "tidy", folder=tmp_path)
    run("go", "run", ".", KEY, gateway.url, folder=tmp_path)
    assert six_calls(gateway)["track"]["context"]["library"]["name"] == "analytics-go"


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


def test_every_call_of_the_rust_library_is_in_kafka(gateway: Running, tmp_path: Path) -> None:
    library = checkout("analytics-rust", "cargo")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.rs").write_text(RUST)
    (tmp_path / "Cargo.toml").write_text(RUST_PACKAGE.format(library=library))
    run("cargo", "run", "--quiet", "--", KEY, gateway.url, folder=tmp_path)
    assert set(six_calls(gateway)) == {"identify", "track", "page", "screen", "group", "alias"}
