"""The server libraries of other languages from their registries, unchanged, pointed at the gateway: six calls each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from router.embedded.broker import EmbeddedBroker
from router.gateway.snippets import snippet
from tests.gateway.running import KEY, Running, body, named, running
from tests.gateway.sdk_programs import GO, JAVA, NODE, RUST, RUST_PACKAGE

NODE_LIBRARY = "@segment/analytics-node@3.1.0"
JAVA_LIBRARY = "com.segment.analytics.java:analytics:3.5.4"
GO_LIBRARY = "github.com/segmentio/analytics-go/v3 v3.3.0"
RUST_LIBRARY = "0.2.6"  # of the crate `segment`: the official one as Meilisearch keeps it, which compiles twice as fast
RUST_NEEDED = "1.85"  # by cargo's choice of versions that its compiler can read
CALLS = {"identify", "track", "page", "screen", "group", "alias"}
SECONDS = 300


@pytest.fixture(scope="module")
def gateway(embedded: EmbeddedBroker) -> Iterator[Running]:
    with running("sdks", embedded) as found:
        yield found


def command(*names: str) -> str:
    """The first of these commands; all of them must be there."""
    paths = [shutil.which(name) for name in names]
    if None in paths:
        missing = names[paths.index(None)]
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing} is not installed")
        pytest.skip(f"{missing} is not installed")
    return str(paths[0])


def run(*arguments: str | Path, folder: Path) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run a module that imports the library, with these arguments."""
    npm, found = command("npm", "node"), command("node")
    folder = tmp_path_factory.mktemp("node")
    run(npm, "install", "--silent", "--no-fund", "--no-audit", NODE_LIBRARY, folder=folder)

    def run_module(text: str, *arguments: str) -> str:
        (folder / "calls.mjs").write_text(text)
        return run(found, "calls.mjs", *arguments, folder=folder)

    return run_module


def six_calls(gateway: Running) -> dict[str, dict[str, Any]]:
    messages = gateway.new(gateway.topics.raw)
    found = {body(message)["type"]: body(message) for message in messages}
    assert len(messages) == len(CALLS)
    assert set(found) == CALLS
    assert {named(message)["write-key"] for message in messages} == {KEY}
    assert found["track"]["properties"] == {"total": 9.5}
    assert found["track"]["integrations"]["CRM"] is False
    assert (found["identify"]["userId"], found["identify"]["traits"]) == ("u1", {"plan": "pro"})
    assert (found["alias"]["previousId"], found["group"]["groupId"]) == ("a1", "g1")
    assert all("ip" not in one["context"] for one in found.values())  # a server's address is not the user's
    return found


def test_every_call_of_the_node_library_is_in_kafka(gateway: Running, node: Callable[..., str]) -> None:
    node(NODE, KEY, gateway.url)
    assert six_calls(gateway)["track"]["context"]["library"]["name"] == "@segment/analytics-node"


def test_the_snippet_for_node_runs(gateway: Running, node: Callable[..., str]) -> None:
    node(snippet("node", KEY, gateway.url))
    assert [body(message)["event"] for message in gateway.new(gateway.topics.raw)] == ["First Event"]


def test_every_call_of_the_java_library_is_in_kafka(gateway: Running, tmp_path: Path) -> None:
    maven, java = command("mvn", "javac"), command("java")
    group, artifact, version = JAVA_LIBRARY.split(":")
    project = {"groupId": "test", "artifactId": "calls", "version": "1", "modelVersion": "4.0.0"}
    head = "".join(f"<{name}>{text}</{name}>" for name, text in project.items())
    library = f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
    (tmp_path / "pom.xml").write_text(
        f"<project>{head}<dependencies><dependency>{library}</dependency></dependencies></project>"
    )
    (tmp_path / "Calls.java").write_text(JAVA)
    run(maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars", folder=tmp_path)
    run(java, "-cp", "jars/*", "Calls.java", KEY, gateway.url, folder=tmp_path)
    assert six_calls(gateway)["track"]["context"]["library"]["name"] == "analytics-java"


def test_every_call_of_the_go_library_is_in_kafka(gateway: Running, tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text(f"module calls\n\ngo 1.19\n\nrequire {GO_LIBRARY}\n")
    (tmp_path / "main.go").write_text(GO)
    run(command("go"), "run", "-mod=mod", ".", KEY, gateway.url, folder=tmp_path)
    assert six_calls(gateway)["track"]["context"]["library"]["name"] == "analytics-go"


@pytest.fixture(scope="module")
def rust(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run the program, with these arguments; it is compiled once."""
    cargo = command("cargo")
    folder = tmp_path_factory.mktemp("rust")
    got = run(cargo, "--version", folder=folder).split()[1]
    if [int(part) for part in got.split(".")[:2]] < [int(part) for part in RUST_NEEDED.split(".")]:
        pytest.skip(f"expected cargo {RUST_NEEDED} or newer, got {got}")
    (folder / "src").mkdir()
    (folder / "src/main.rs").write_text(RUST)
    (folder / "Cargo.toml").write_text(RUST_PACKAGE.format(library=RUST_LIBRARY, rust=RUST_NEEDED))
    return lambda *arguments: run(cargo, "run", "--quiet", "--", *arguments, folder=folder)


@pytest.mark.parametrize("way", ["single", "batch"])
def test_every_call_of_the_rust_library_is_in_kafka(gateway: Running, rust: Callable[..., str], way: str) -> None:
    rust(KEY, gateway.url, way)
    six_calls(gateway)


def test_the_snippet_for_python_runs(gateway: Running, tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(snippet("python", KEY, gateway.url))
    run(command("python"), "first.py", folder=tmp_path)
    (message,) = gateway.new(gateway.topics.raw)
    assert json.loads(message.value() or b"")["event"] == "First Event"
